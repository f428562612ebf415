//! `nc` and `wget`: from the pod's own address, with the pod's own rights.

use std::io::{Read, Write};

use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{Fields, IncomingResponse, OutgoingRequest, Scheme};
use wasip2::sockets::instance_network::instance_network;
use wasip2::sockets::ip_name_lookup::resolve_addresses;
use wasip2::sockets::network::{
    ErrorCode, IpAddress, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress,
};
use wasip2::sockets::tcp::{ShutdownType, TcpSocket};
use wasip2::sockets::tcp_create_socket::create_tcp_socket;

use crate::{Failure, Process, files};

fn failed(what: &str, error: ErrorCode) -> Failure {
    format!("{what}: {error:?}").into()
}

/// `nc [-z] HOST PORT`: sends its input and prints what comes back; `-z` only connects.
pub fn nc(process: &mut Process, arguments: &[String]) -> Result<u8, Failure> {
    let (options, rest) = crate::options(arguments, "zvn")?;
    let [host, port] = rest else { return Err("nc [-z] HOST PORT".into()) };
    let port: u16 = port.parse().map_err(|_| format!("{port}: not a port"))?;
    let network = instance_network();
    let lookup = resolve_addresses(&network, host).map_err(|error| failed(host, error))?;
    let mut last: Failure = format!("{host}: no address").into();
    loop {
        lookup.subscribe().block();
        match lookup.resolve_next_address() {
            Ok(Some(address)) => match connect(&network, address, port) {
                Ok(connected) if options.contains(&'z') => return Ok(drop(connected)).map(|()| 0),
                Ok(connected) => return talk(process, connected),
                Err(error) => last = format!("{host} {port}: {error}").into(),
            },
            Ok(None) => return Err(last),
            Err(ErrorCode::WouldBlock) => {}
            Err(error) => return Err(failed(host, error)),
        }
    }
}

type Connected = (wasip2::io::streams::InputStream, wasip2::io::streams::OutputStream, TcpSocket);

fn connect(network: &wasip2::sockets::network::Network, address: IpAddress, port: u16) -> Result<Connected, Failure> {
    let (family, address) = match address {
        IpAddress::Ipv4(address) => (IpAddressFamily::Ipv4, IpSocketAddress::Ipv4(Ipv4SocketAddress { port, address })),
        IpAddress::Ipv6(address) => (
            IpAddressFamily::Ipv6,
            IpSocketAddress::Ipv6(Ipv6SocketAddress { port, address, flow_info: 0, scope_id: 0 }),
        ),
    };
    let socket = create_tcp_socket(family).map_err(|error| failed("socket", error))?;
    socket.start_connect(network, address).map_err(|error| failed("connect", error))?;
    loop {
        socket.subscribe().block();
        match socket.finish_connect() {
            Ok((input, output)) => return Ok((input, output, socket)),
            Err(ErrorCode::WouldBlock) => {}
            Err(error) => return Err(failed("connect", error)),
        }
    }
}

fn talk(process: &mut Process, (mut input, mut output, socket): Connected) -> Result<u8, Failure> {
    let mut words = Vec::new();
    process.input.read_to_end(&mut words)?;
    output.write_all(&words)?;
    output.flush()?;
    // A peer that has hung up already has nothing against it.
    let _ = socket.shutdown(ShutdownType::Send);
    crate::text::copy(&mut input, &mut process.output)?;
    Ok(0)
}

/// `wget [-q] [-S] [-O FILE] [--spider] URL`: prints the answer's body.
pub fn wget(process: &mut Process, arguments: &[String]) -> Result<u8, Failure> {
    let (mut file, mut show, mut spider, mut url) = (None, false, false, None);
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-q" => {}
            "-S" => show = true,
            "--spider" => spider = true,
            "-O" => file = words.next().filter(|name| *name != "-"),
            "-qO-" | "-O-" => file = None,
            option if option.starts_with('-') => return Err(format!("unknown option {option}").into()),
            word => url = Some(word),
        }
    }
    let url = url.ok_or("wget [-q] [-S] [-O FILE] [--spider] URL")?;
    let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    let response = get(&url)?;
    let status = response.status();
    if show {
        process.complain(&format!("HTTP {status}"));
        for (name, value) in response.headers().entries() {
            process.complain(&format!("{name}: {}", String::from_utf8_lossy(&value)));
        }
    }
    if spider || !(200..300).contains(&status) {
        return if (200..300).contains(&status) {
            Ok(0)
        } else {
            Err(format!("server returned error: HTTP {status}").into())
        };
    }
    let body = response.consume().map_err(|()| "the answer has no body")?;
    let mut stream = body.stream().map_err(|()| "the answer has no body")?;
    match file {
        Some(path) => crate::text::copy(&mut stream, &mut files::create(&process.path(path), false)?)?,
        None => crate::text::copy(&mut stream, &mut process.output)?,
    };
    Ok(0)
}

fn get(url: &str) -> Result<IncomingResponse, Failure> {
    let rest = url.strip_prefix("http://").ok_or_else(|| format!("{url}: only http is spoken here"))?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let request = OutgoingRequest::new(Fields::new());
    let refused = |()| format!("{url}: not a valid address");
    request.set_scheme(Some(&Scheme::Http)).map_err(refused)?;
    request.set_authority(Some(authority)).map_err(refused)?;
    request.set_path_with_query(Some(&format!("/{path}"))).map_err(refused)?;
    let future = handle(request, None).map_err(|error| format!("{url}: {error:?}"))?;
    future.subscribe().block();
    let answer = future.get().ok_or("no answer")?.map_err(|()| "the answer was taken already")?;
    answer.map_err(|error| format!("{url}: {error:?}").into())
}
