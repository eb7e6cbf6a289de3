//! From an exchange to its socket: what is collected, what leaves at once, what waits for the client.

use std::fs::File;
use std::io::{self, IoSlice};
use std::time::Duration;

use oxicorn_http::response::BodyEncoder;
use oxicorn_sys::stream::{self, Progress};

use super::{Exchange, Gone, Stage};
use crate::clock::Moment;
use crate::connection::Connection;
use crate::output::SharedBytes;

/// From this size on a piece of a body is sent from where it is instead of being copied behind
/// the head.
const WORTH_SHARING: usize = 16 * 1024;

/// Collected small pieces are sent when they reach this size.
const FLUSH_AT: usize = 64 * 1024;

/// Largest response that may wait for the end of the turn.
const SMALL: usize = 8 * 1024;

/// More than a chunk's size line and its end take.
const FRAMING: usize = 32;

/// Unread output in a file up to which the application may run ahead of its client.
const SPOOL_LIMIT: u64 = 1024 * 1024 * 1024;

/// How long an application that ran too far ahead waits for its client to read anything.
const CLIENT_PATIENCE: Duration = Duration::from_secs(60);

impl<C> Exchange<C> {
    /// Adds to the body. Small pieces leave with the next [`Exchange::flush`].
    #[inline]
    pub fn write(&mut self, data: &[u8]) -> Result<(), Gone> {
        let Stage::Started { body, .. } = &mut self.connection.reply.stage else {
            return Err(Gone);
        };
        let frame = body.frame(data.len());
        self.connection.reply.body_sent = self
            .connection
            .reply
            .body_sent
            .saturating_add(frame.take as u64);
        self.buffer.reserve(data.len().saturating_add(FRAMING));
        self.buffer.extend_from_slice(frame.prefix());
        self.buffer
            .extend_from_slice(data.get(..frame.take).unwrap_or_default());
        self.buffer.extend_from_slice(frame.suffix);
        if self.own().len() >= FLUSH_AT {
            self.flush()
        } else {
            Ok(())
        }
    }

    /// Adds bytes of the application's to the body; large ones are sent from where they are.
    pub fn write_shared(&mut self, bytes: Box<dyn SharedBytes>) -> Result<(), Gone> {
        let data = (*bytes).as_ref();
        if data.len() < WORTH_SHARING {
            return self.write(data);
        }
        let Stage::Started { body, .. } = &mut self.connection.reply.stage else {
            return Err(Gone);
        };
        let frame = body.frame(data.len());
        self.connection.reply.body_sent = self
            .connection
            .reply
            .body_sent
            .saturating_add(frame.take as u64);
        self.buffer.extend_from_slice(frame.prefix());
        if frame.take < data.len() {
            // Only a response that says more than its Content-Length comes here.
            let data = data.get(..frame.take).unwrap_or_default().to_vec();
            return self.offer_shared(Box::new(data), frame.suffix);
        }
        self.offer_shared(bytes, frame.suffix)
    }

    /// Sends what was collected, `bytes` and `suffix`, as much of it as the socket takes.
    fn offer_shared(
        &mut self,
        bytes: Box<dyn SharedBytes>,
        suffix: &'static [u8],
    ) -> Result<(), Gone> {
        let data = (*bytes).as_ref();
        let mut sent = 0;
        if self.has_room()? {
            let most = self.connection.reply.push.most();
            let (first, end) = match data.get(..most) {
                Some(first) => (first, &b""[..]),
                None => (data, suffix),
            };
            let since = Moment::now();
            let pieces = [self.own(), first, end].map(IoSlice::new);
            match stream::send_vectored(&self.connection.socket, &pieces) {
                Progress::Bytes(bytes) => sent = bytes,
                Progress::WouldBlock => {}
                Progress::Ended => return self.gone(),
            }
            self.connection.reply.push.sent(sent, Some(since));
        }
        self.connection.reply.bytes_sent =
            self.connection.reply.bytes_sent.saturating_add(sent as u64);
        let of_data = sent.saturating_sub(self.own().len());
        let of_suffix = of_data.saturating_sub(data.len());
        let is_left = of_data < data.len();
        let unsent = self
            .buffer
            .get(self.connection.reply.from.saturating_add(sent)..)
            .unwrap_or_default();
        let output = &mut self.connection.output;
        let kept = output
            .push(unsent)
            .and_then(|()| {
                if is_left {
                    output.push_shared(bytes, of_data)
                } else {
                    Ok(())
                }
            })
            .and_then(|()| output.push(suffix.get(of_suffix..).unwrap_or_default()));
        self.buffer.truncate(self.connection.reply.from);
        self.stored(kept)
    }

    /// Adds a part of a file to the body; the kernel sends it, at the client's pace.
    pub fn write_file(&mut self, file: File, offset: u64, length: u64) -> Result<(), Gone> {
        let Stage::Started { body, .. } = &mut self.connection.reply.stage else {
            return Err(Gone);
        };
        let frame = body.frame(usize::try_from(length).unwrap_or(usize::MAX));
        self.buffer.extend_from_slice(frame.prefix());
        self.flush()?;
        self.connection
            .output
            .push_file(file, offset, frame.take as u64);
        self.has_room()?;
        self.buffer.extend_from_slice(frame.suffix);
        Ok(())
    }

    /// Sends a block that the application has just produced, before it is asked for the next one.
    ///
    /// A response that its Content-Length says is complete may wait: its client waits for nothing
    /// that the application still has to say.
    #[inline]
    pub fn flush_block(&mut self) -> Result<(), Gone> {
        let is_whole = matches!(
            self.connection.reply.stage,
            Stage::Started {
                body: BodyEncoder::Known { left: 0 },
                ..
            }
        );
        if is_whole && self.can_wait() {
            Ok(())
        } else {
            self.flush()
        }
    }

    /// Small, whole, and nothing of it sent. Where the body is still to come, the connection may end with this response,
    /// which would be too late afterwards.
    #[inline]
    pub(super) fn can_wait(&self) -> bool {
        self.connection.reply.may_wait
            && !self.body_is_coming()
            && self.connection.reply.bytes_sent == 0
            && self.connection.output.is_empty()
            && self.own().len() <= SMALL
    }

    /// Offers everything collected to the socket; what it does not take waits for the loop.
    #[inline]
    pub fn flush(&mut self) -> Result<(), Gone> {
        let is_last = match &self.connection.reply.stage {
            Stage::Complete { keep_alive } => *keep_alive,
            Stage::Started { body, keep_alive } => {
                *keep_alive && matches!(body, BodyEncoder::Known { left: 0 })
            }
            _ => false,
        };
        self.flush_as(is_last)
    }

    /// The same; `is_last`: with it the response is complete, and another request may follow.
    #[inline]
    pub(super) fn flush_as(&mut self, is_last: bool) -> Result<(), Gone> {
        if self.own().is_empty() {
            return Ok(());
        }
        let mut sent = 0;
        if self.has_room()? {
            let Connection {
                socket, listener, ..
            } = &*self.connection;
            let progress = if is_last && !self.body_is_coming() && self.connection.may_rest() {
                stream::send_answer(socket, *listener, self.own())
            } else {
                stream::send(socket, self.own())
            };
            match progress {
                Progress::Bytes(bytes) => sent = bytes,
                Progress::WouldBlock => {}
                Progress::Ended => return self.gone(),
            }
            self.connection.reply.push.sent(sent, None);
        }
        self.connection.reply.bytes_sent =
            self.connection.reply.bytes_sent.saturating_add(sent as u64);
        let unsent = self.connection.reply.from.saturating_add(sent);
        let rest = self.buffer.get(unsent..).unwrap_or_default();
        let kept = if rest.is_empty() {
            Ok(())
        } else {
            self.connection.output.push(rest)
        };
        self.buffer.truncate(self.connection.reply.from);
        self.stored(kept)
    }

    /// Sends a finished response that was to wait for others, now.
    #[inline]
    pub fn send_now(&mut self) {
        if matches!(self.connection.reply.stage, Stage::Complete { .. }) {
            // A client that is gone shows in the stage.
            let _ = self.flush();
        }
    }

    /// What this exchange has collected.
    #[inline]
    pub(super) fn own(&self) -> &[u8] {
        self.buffer
            .get(self.connection.reply.from..)
            .unwrap_or_default()
    }

    /// Nothing older waits, so that the socket may be written directly.
    #[inline]
    pub(super) fn has_room(&mut self) -> Result<bool, Gone> {
        if self.connection.output.is_empty() {
            return Ok(self.connection.reply.push.most() > 0);
        }
        self.send_older()
    }

    fn send_older(&mut self) -> Result<bool, Gone> {
        let most = self.connection.reply.push.most();
        if most == 0 {
            return Ok(false);
        }
        let since = Moment::now();
        let Connection { output, socket, .. } = &mut *self.connection;
        let (progress, sent) = output.send(&*socket, most);
        self.connection.reply.push.sent(sent, Some(since));
        self.connection.reply.bytes_sent =
            self.connection.reply.bytes_sent.saturating_add(sent as u64);
        match progress {
            Progress::Bytes(_) => Ok(true),
            Progress::WouldBlock => Ok(false),
            Progress::Ended => self.gone(),
        }
    }

    /// The application ran so far ahead of its client that it has to [`Exchange::wait`].
    #[inline]
    pub fn is_congested(&self) -> bool {
        self.connection.output.spooled() > SPOOL_LIMIT
    }

    /// The client has been waited for long enough.
    pub fn give_up(&mut self) {
        let _: Result<(), Gone> = self.gone();
    }

    /// Blocks until the client has read enough, or is given up.
    pub fn wait(&mut self) -> Result<(), Gone> {
        while self.is_congested() {
            match stream::wait_writable(&self.connection.socket, CLIENT_PATIENCE) {
                Ok(true) => self.has_room()?,
                Ok(false) | Err(_) => return self.gone(),
            };
        }
        Ok(())
    }

    fn stored(&mut self, kept: io::Result<()>) -> Result<(), Gone> {
        kept.or_else(|error| {
            self.connection.reply.failure = Some(error);
            self.gone()
        })
    }
}
