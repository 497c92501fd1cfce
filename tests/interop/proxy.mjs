// A loopback proxy that adds the Authorization header, which the conformance suite cannot send. It works on bytes,
// because one scenario sends odd header case and padding on purpose: all else that it changes is the port in a Host
// that names the proxy itself (the server would refuse the proxy's), and Connection, which belongs to the hop.
import { connect, createServer } from 'node:net'

/** Listens on a free port; gives the server to be closed, and the address in place of `target`. */
export async function startProxy(target, token) {
  const { hostname, port } = new URL(target)
  const proxy = createServer((client) => {
    const server = connect(port, hostname)
    client.on('error', () => server.destroy())
    server.on('error', () => client.destroy())
    client.on('close', () => server.destroy())
    server.pipe(client)

    let bytes = Buffer.alloc(0)
    client.on('data', function wait(chunk) {
      bytes = Buffer.concat([bytes, chunk])
      const end = bytes.indexOf('\r\n\r\n')
      if (end === -1) return
      // One head for each connection, so that everything behind it can pass as it is.
      client.off('data', wait)
      server.write(rewrite(bytes.toString('latin1', 0, end)), 'latin1')
      server.write(bytes.subarray(end))
      client.pipe(server)
    })
  })

  function rewrite(head) {
    const ownHost = `(\r\nhost:[ \t]*(?:localhost|127\\.0\\.0\\.1|\\[::1\\]):)${proxy.address().port}(?=[ \t]*(?:\r|$))`
    return head
      .replace(new RegExp(ownHost, 'i'), `$1${port}`)
      .replace(/\r\nconnection:[^\r]*/gi, '')
      .replace('\r\n', `\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n`)
  }

  await new Promise((listening) => proxy.listen(0, '127.0.0.1', listening))
  const url = new URL(target)
  url.port = proxy.address().port
  return { proxy, url: url.href }
}
