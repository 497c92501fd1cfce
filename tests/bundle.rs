//! What `packaging/bundle.py` packs: an MCP bundle that a client can install and start.

use std::fs::{self, File, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use zip::ZipArchive;

use crate::support::{EPICME, Folder};

/// The format's own schema, from the repository of MCPB.
const SCHEMA: &str = include_str!("../packaging/manifest.schema.json");

fn pack(target: &Path) {
    let packed = Command::new("packaging/bundle.py").arg(EPICME).arg(target).output().expect("Python runs");
    assert!(packed.status.success(), "{}", String::from_utf8_lossy(&packed.stderr));
}

/// Puts what the person has given into a text of the manifest, as a client does.
fn filled(text: &Value, values: &[(&str, &str)]) -> String {
    let mut text = text.as_str().expect("a text").to_owned();
    for (name, value) in values {
        text = text.replace(&format!("${{{name}}}"), value);
    }
    assert!(!text.contains("${"), "no client knows {text}");
    text
}

#[test]
fn packs_a_bundle_that_keeps_to_the_format_and_starts_as_it_says() {
    let folder = Folder::new();
    let token = folder.token("ada@example.com", &[]);
    let bundle = folder.path().join("epicme.mcpb");
    pack(&bundle);
    let unpacked = folder.path().join("installed");
    let mut archive = ZipArchive::new(File::open(&bundle).expect("the bundle")).expect("a ZIP archive");
    for number in 0..archive.len() {
        let mut member = archive.by_index(number).expect("a member");
        let path = unpacked.join(member.enclosed_name().expect("a name within the bundle"));
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).expect("the member is whole");
        fs::write(&path, bytes).expect("a file");
        let mode = member.unix_mode().expect("a mode");
        fs::set_permissions(&path, Permissions::from_mode(mode & 0o777)).expect("its mode");
    }

    let licences = fs::read_to_string(unpacked.join("THIRD-PARTY-LICENSES")).expect("the licences");
    assert!(["=== rusqlite ", "=== rust-std "].iter().all(|held| licences.contains(held)));
    let manifest = fs::read(unpacked.join("manifest.json")).expect("the manifest");
    let manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
    let schema: Value = serde_json::from_str(SCHEMA).expect("the schema");
    let schema = jsonschema::validator_for(&schema).expect("a schema");
    let faults: Vec<_> = schema.iter_errors(&manifest).map(|fault| fault.to_string()).collect();
    assert!(faults.is_empty(), "{faults:?}");
    let mut twin = manifest.clone();
    twin["user_config"]["token"]["type"] = "secret".into();
    assert!(!schema.is_valid(&twin), "the schema sees a mistake");
    assert_eq!(manifest["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(manifest["user_config"]["token"]["sensitive"], true);
    assert_eq!(
        manifest["compatibility"]["platforms"],
        json!([std::env::consts::OS.replace("macos", "darwin")])
    );

    let server = &manifest["server"];
    assert_eq!(server["type"], "binary");
    let program = unpacked.join(server["entry_point"].as_str().expect("a path"));
    assert_eq!(fs::read(&program).expect("it is there"), fs::read(EPICME).expect("the binary"));
    let icon = fs::read(unpacked.join(manifest["icon"].as_str().expect("a path"))).expect("the icon");
    assert!(icon.starts_with(b"\x89PNG\r\n\x1a\n") && icon.len() < 20_000, "{} bytes", icon.len());

    let database = folder.database();
    let values = [
        ("__dirname", unpacked.to_str().expect("UTF-8")),
        ("user_config.database", database.to_str().expect("UTF-8")),
        ("user_config.token", token.as_str()),
    ];
    let config = &server["mcp_config"];
    let command = filled(&config["command"], &values);
    assert_eq!(Path::new(&command), program);
    let arguments = config["args"].as_array().expect("a list").iter().map(|text| filled(text, &values));
    let variables = config["env"].as_object().expect("an object");
    let variables = variables.iter().map(|(name, text)| (name, filled(text, &values)));
    let mut child = Command::new(&command)
        .args(arguments)
        .env_clear()
        .envs(variables)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let info = json!({ "name": "test", "version": "1" });
    let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info });
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params });
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(format!("{message}\n").as_bytes()).expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success());
    let answer: Value = serde_json::from_slice(&output.stdout).expect("one message");
    assert_eq!(answer["result"]["serverInfo"]["name"], "epicme", "{answer}");
}

#[test]
fn packs_the_same_bytes_each_time_and_refuses_what_is_no_program() {
    let folder = Folder::new();
    let [one, two] = ["one.mcpb", "two.mcpb"].map(|name| folder.path().join(name));
    pack(&one);
    pack(&two);
    assert!(fs::read(one).expect("a bundle") == fs::read(&two).expect("a bundle"));
    let refused =
        Command::new("packaging/bundle.py").arg("README.md").arg(&two).output().expect("Python runs");
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("README.md is no program for Linux or macOS"));
}
