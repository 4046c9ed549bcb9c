//! Messages on the hot path: a fixed header, the topic, the payload. No JSON per message.
//!
//! Layout, little endian: version (1), flags (1), topic length (2), payload length (4), then both.

use crate::{Error, Result};

const HEADER: usize = 8;
const VERSION: u8 = 1;
const QOS: u8 = 0b011;
const RETAIN: u8 = 0b100;

/// A message without its bytes copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// 0, 1 or 2, as in MQTT.
    pub qos: u8,
    /// Kept for later subscribers.
    pub retain: bool,
    /// At most 65,535 bytes.
    pub topic: &'a str,
    /// At most 4 GiB.
    pub payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Appends the frame to a buffer.
    ///
    /// # Errors
    /// [`crate::Code::Invalid`] when the topic, the payload or the QoS does not fit the header.
    pub fn write(&self, into: &mut Vec<u8>) -> Result<()> {
        let topic = u16::try_from(self.topic.len())
            .map_err(|_| Error::invalid(format!("topic of {} bytes: at most 65535", self.topic.len())))?;
        let payload = u32::try_from(self.payload.len())
            .map_err(|_| Error::invalid(format!("payload of {} bytes: at most 4294967295", self.payload.len())))?;
        if self.qos > 2 {
            return Err(Error::invalid(format!("QoS {}: expected 0, 1 or 2", self.qos)));
        }
        into.reserve(HEADER + self.topic.len() + self.payload.len());
        into.extend_from_slice(&[VERSION, self.qos | if self.retain { RETAIN } else { 0 }]);
        into.extend_from_slice(&topic.to_le_bytes());
        into.extend_from_slice(&payload.to_le_bytes());
        into.extend_from_slice(self.topic.as_bytes());
        into.extend_from_slice(self.payload);
        Ok(())
    }

    /// Reads a frame.
    ///
    /// # Errors
    /// [`crate::Code::Invalid`] saying which part is wrong.
    pub fn read(bytes: &'a [u8]) -> Result<Self> {
        let (header, rest) = bytes
            .split_at_checked(HEADER)
            .ok_or_else(|| Error::invalid(format!("frame of {} bytes: the header alone has {HEADER}", bytes.len())))?;
        let [version, flags, t0, t1, p0, p1, p2, p3] = *header else {
            return Err(Error::invalid("frame header")); // cannot be: split_at_checked gave HEADER bytes
        };
        if version != VERSION {
            return Err(Error::invalid(format!("frame version {version}: expected {VERSION}")));
        }
        if flags & !(QOS | RETAIN) != 0 || flags & QOS > 2 {
            return Err(Error::invalid(format!("frame flags {flags:#010b}")));
        }
        let topic = usize::from(u16::from_le_bytes([t0, t1]));
        let payload = u32::from_le_bytes([p0, p1, p2, p3]) as usize;
        if rest.len() != topic + payload {
            let found = rest.len();
            return Err(Error::invalid(format!(
                "frame body of {found} bytes: header says {topic} + {payload}"
            )));
        }
        let (topic, payload) = rest.split_at(topic);
        let topic = std::str::from_utf8(topic).map_err(|e| Error::invalid(format!("topic: {e}")))?;
        Ok(Self {
            qos: flags & QOS,
            retain: flags & RETAIN != 0,
            topic,
            payload,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_frame_reads_back_what_was_written(topic in ".{0,40}", payload: Vec<u8>, qos in 0u8..3, retain: bool) {
            let frame = Frame { qos, retain, topic: &topic, payload: &payload };
            let mut bytes = Vec::new();
            frame.write(&mut bytes).unwrap();
            prop_assert_eq!(Frame::read(&bytes).unwrap(), frame);
        }

        #[test]
        fn any_bytes_are_read_or_refused_without_a_panic(bytes: Vec<u8>) {
            if let Ok(frame) = Frame::read(&bytes) {
                let mut again = Vec::new();
                frame.write(&mut again).unwrap();
                prop_assert_eq!(again, bytes);
            }
        }
    }

    #[test]
    fn what_does_not_fit_the_header_is_refused() {
        let long = "t".repeat(70_000);
        let frame = Frame {
            qos: 0,
            retain: false,
            topic: &long,
            payload: b"",
        };
        assert!(frame.write(&mut Vec::new()).unwrap_err().message.contains("70000"));
        let frame = Frame {
            qos: 3,
            retain: false,
            topic: "t",
            payload: b"",
        };
        assert!(frame.write(&mut Vec::new()).unwrap_err().message.contains("QoS 3"));
    }
}
