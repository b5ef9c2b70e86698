// A stock OHTTP client and a stock gateway made of the crates `ohttp` and `bhttp`, spoken to in lines of hex; "." ends a body.

use std::io::{self, BufRead, Cursor, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use bhttp::{stream::AsyncReadMessage, Message, Mode, StatusCode};
use futures::{executor::block_on, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, TryStreamExt};
use ohttp::hpke::{Aead, Kdf, Kem};
use ohttp::{ClientRequest, KeyConfig, Server, SymmetricSuite};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["client", form] => client(*form == "chunked"),
        ["gateway", form, kem] => gateway(*form == "chunked", kem),
        _ => Err("client FORM | gateway FORM KEM".into()),
    };
    if let Err(error) = outcome {
        say(&format!("error {error}"));
        std::process::exit(1);
    }
}

/// Reads a key list and a body, writes a sealed request, reads the sealed answer and says what it holds as it arrives.
fn client(chunked: bool) -> Outcome<()> {
    let request = ClientRequest::from_encoded_config_list(&read_line()?.ok_or("no key list")?)?;
    let mut message = Message::request(
        b"POST".to_vec(),
        b"https".to_vec(),
        b"peer.invalid".to_vec(),
        b"/v1/chat/completions".to_vec(),
    );
    message.put_header("content-type", "application/json");
    message.write_content(read_line()?.ok_or("no body")?);
    let mut plaintext = Vec::new();
    message.write_bhttp(if chunked { Mode::IndeterminateLength } else { Mode::KnownLength }, &mut plaintext)?;

    if !chunked {
        let (sealed, answer) = request.encapsulate(&plaintext)?;
        say(&hex::encode(sealed));
        say(".");
        let opened = answer.decapsulate(&read_body()?)?;
        let message = Message::read_bhttp(&mut Cursor::new(opened))?;
        say(&format!("status {}", message.control().status().ok_or("no status")?.code()));
        say(&format!("piece {}", hex::encode(message.content())));
        say("end");
        return Ok(());
    }

    let mut sealing = request.encapsulate_stream(Lines)?;
    block_on(async {
        for piece in plaintext.chunks(plaintext.len() / 3 + 1) {
            sealing.write_all(piece).await?;
            sealing.flush().await?;
        }
        sealing.close().await
    })?;
    say(".");
    block_on(async {
        let mut message = Message::async_read(sealing.response(Delivered::default())?);
        let informational: Vec<_> = message.informational().try_collect().await?;
        for interim in informational {
            say(&format!("informational {}", interim.status().code()));
        }
        let header = message.header().await?;
        say(&format!("status {}", header.control().status().ok_or("no status")?.code()));
        let mut body = message.body()?;
        let mut buffer = vec![0; 1 << 15];
        loop {
            let octets = body.read(&mut buffer).await?;
            if octets == 0 {
                break;
            }
            say(&format!("piece {}", hex::encode(&buffer[..octets])));
        }
        message.trailer().await?;
        say("end");
        Ok(())
    })
}

/// Says its key list, reads a sealed request, says what it holds and writes a sealed answer.
fn gateway(chunked: bool, kem: &str) -> Outcome<()> {
    let kem = if kem == "x-wing" { Kem::XWing } else { Kem::X25519Sha256 };
    let config = KeyConfig::new(7, kem, vec![SymmetricSuite::new(Kdf::HkdfSha256, Aead::Aes128Gcm)])?;
    say(&hex::encode(KeyConfig::encode_list(&[config.clone()])?));
    let server = Server::new(config)?;
    let mut answer = Message::response(StatusCode::OK);
    answer.put_header("content-type", "text/plain");

    if !chunked {
        let (plaintext, sealing) = server.decapsulate(&read_body()?)?;
        answer.write_content(say_request(&plaintext)?);
        let mut octets = Vec::new();
        answer.write_bhttp(Mode::KnownLength, &mut octets)?;
        say(&hex::encode(sealing.encapsulate(&octets)?));
        say(".");
        return Ok(());
    }

    let mut opening = server.decapsulate_stream(Delivered::default());
    let mut plaintext = Vec::new();
    block_on(opening.read_to_end(&mut plaintext))?;
    answer.write_content(say_request(&plaintext)?);
    let mut octets = Vec::new();
    answer.write_bhttp(Mode::IndeterminateLength, &mut octets)?;
    let mut sealing = opening.response(Lines)?;
    block_on(async {
        for piece in octets.chunks(octets.len() / 3 + 1) {
            sealing.write_all(piece).await?;
        }
        sealing.close().await
    })?;
    say(".");
    Ok(())
}

/// Says method, path and content of a request, and gives the content back.
fn say_request(plaintext: &[u8]) -> Outcome<Vec<u8>> {
    let message = Message::read_bhttp(&mut Cursor::new(plaintext))?;
    let method = String::from_utf8_lossy(message.control().method().ok_or("no method")?);
    let path = String::from_utf8_lossy(message.control().path().ok_or("no path")?);
    say(&format!("request {method} {path} {}", hex::encode(message.content())));
    Ok(message.content().to_vec())
}

fn say(line: &str) {
    let mut out = io::stdout().lock();
    // A reader that has gone away is the end of this process.
    if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
        std::process::exit(1);
    }
}

/// One line of hex, or nothing at the "." that ends a body.
fn read_line() -> Outcome<Option<Vec<u8>>> {
    let mut line = String::new();
    if io::stdin().lock().read_line(&mut line)? == 0 {
        return Err("the input ended".into());
    }
    let line = line.trim();
    Ok(if line == "." { None } else { Some(hex::decode(line)?) })
}

fn read_body() -> Outcome<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(mut line) = read_line()? {
        body.append(&mut line);
    }
    Ok(body)
}

/// What is written becomes lines.
struct Lines;

impl AsyncWrite for Lines {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        say(&hex::encode(octets));
        Poll::Ready(Ok(octets.len()))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A body line by line, each as soon as it arrives.
#[derive(Default)]
struct Delivered {
    held: Vec<u8>,
    ended: bool,
}

impl AsyncRead for Delivered {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        while self.held.is_empty() && !self.ended {
            match read_line() {
                Ok(Some(line)) => self.held = line,
                Ok(None) => self.ended = true,
                Err(error) => return Poll::Ready(Err(io::Error::other(error.to_string()))),
            }
        }
        let octets = into.len().min(self.held.len());
        into[..octets].copy_from_slice(&self.held[..octets]);
        self.held.drain(..octets);
        Poll::Ready(Ok(octets))
    }
}
