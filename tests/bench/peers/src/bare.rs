//! hyper alone: the same 401 for every request.

use std::convert::Infallible;
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, VARY, WWW_AUTHENTICATE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

pub async fn serve(listener: TcpListener, challenge: String) {
    let challenge = Arc::new(HeaderValue::try_from(challenge).expect("ASCII"));
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        // A connection that can't be made fast is served all the same.
        let _ = stream.set_nodelay(true);
        let challenge = Arc::clone(&challenge);
        tokio::spawn(async move {
            let service = service_fn(|_| {
                let challenge = HeaderValue::clone(&challenge);
                async { Ok::<_, Infallible>(refuse(challenge)) }
            });
            // A client that hangs up ends its own connection and nothing else.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

fn refuse(challenge: HeaderValue) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(b"Unauthorized\n")));
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    let fields = [
        (CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (WWW_AUTHENTICATE, challenge),
        (VARY, HeaderValue::from_static("Origin")),
    ];
    response.headers_mut().extend(fields);
    response
}
