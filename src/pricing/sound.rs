//! How long recorded sound is, for what a provider did not count: read from the file's own head where it says.

use memchr::memmem;

/// What a second takes where the file does not say: MP3 at 128 kbit/s.
const USUAL_BYTES_PER_SECOND: u64 = 16_000;
/// What a second takes at the very least, in any format that is heard.
const LEAST_BYTES_PER_SECOND: u64 = 1000;
/// How much of a file's end is looked at.
const END_BYTES: usize = 128 * 1024;

/// How long a file is in milliseconds, if its head says so: WAV, FLAC, Ogg, MP3 of one bit rate, MP4.
pub fn measured_millis(file: &[u8]) -> Option<u64> {
    let millis = wav(file).or_else(|| flac(file)).or_else(|| ogg(file)).or_else(|| mp4(file)).or_else(|| mp3(file))?;
    // A head can say anything: never longer than its bytes could be.
    Some(millis.min(most_millis(file.len() as u64)))
}

/// How long a file is, or about how long.
pub fn millis(file: &[u8]) -> u64 {
    measured_millis(file).unwrap_or_else(|| span(file.len() as u64, USUAL_BYTES_PER_SECOND))
}

/// How long a file of so many bytes can be.
pub fn most_millis(bytes: u64) -> u64 {
    span(bytes, LEAST_BYTES_PER_SECOND)
}

fn span(bytes: u64, per_second: u64) -> u64 {
    bytes.saturating_mul(1000).div_ceil(per_second.max(1))
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?)))
}

fn little(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?)))
}

fn wav(file: &[u8]) -> Option<u64> {
    if !file.starts_with(b"RIFF") || file.get(8..12)? != b"WAVE" {
        return None;
    }
    let (mut at, mut rate) = (12, None);
    loop {
        let length = little(file, at + 4)?;
        match file.get(at..at + 4)? {
            b"fmt " => rate = Some(little(file, at + 16)?).filter(|rate| *rate > 0),
            // A stream's head may not know its length.
            b"data" => return Some(span(length.min(file.len().saturating_sub(at + 8) as u64), rate?)),
            _ => {}
        }
        at = at.checked_add(8)?.checked_add(usize::try_from(length + length % 2).ok()?)?;
    }
}

fn flac(file: &[u8]) -> Option<u64> {
    let info = file.strip_prefix(b"fLaC")?.get(4..)?;
    let rate = number(info, 10)? >> 12;
    let samples = ((number(info, 12)? & 0xF_0000) >> 16) << 32 | number(info, 14)?;
    (rate > 0 && samples > 0).then(|| samples.saturating_mul(1000) / rate)
}

/// The last page tells how many samples there are; Opus always counts 48,000 a second, Vorbis says.
fn ogg(file: &[u8]) -> Option<u64> {
    if !file.starts_with(b"OggS") {
        return None;
    }
    let head = file.get(..file.len().min(512))?;
    let rate = match memmem::find(head, b"\x01vorbis") {
        Some(at) => little(head, at + 12)?,
        None if memmem::find(head, b"OpusHead").is_some() => 48_000,
        None => return None,
    };
    let end = file.get(file.len().saturating_sub(END_BYTES)..)?;
    let page = memmem::rfind(end, b"OggS")?;
    let samples = u64::from_le_bytes(end.get(page + 6..page + 14)?.try_into().ok()?);
    (rate > 0 && samples < u64::MAX / 1000).then(|| samples * 1000 / rate)
}

fn mp4(file: &[u8]) -> Option<u64> {
    if file.get(4..8)? != b"ftyp" {
        return None;
    }
    let at = memmem::find(file, b"mvhd")? + 4;
    let (scale, length) = match file.get(at)? {
        0 => (number(file, at + 12)?, number(file, at + 16)?),
        _ => (number(file, at + 20)?, number(file, at + 24)? << 32 | number(file, at + 28)?),
    };
    (scale > 0 && length > 0).then(|| length.saturating_mul(1000) / scale)
}

/// By the bit rate of the first frame.
fn mp3(file: &[u8]) -> Option<u64> {
    const LAYER_3: [u64; 15] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
    const LAYER_3_LOW: [u64; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
    let start = match file.strip_prefix(b"ID3") {
        // Seven bits to a byte.
        Some(tag) => 10 + tag.get(3..7)?.iter().fold(0, |size, byte| size << 7 | usize::from(byte & 0x7F)),
        None => 0,
    };
    let frame = file.get(start..start + 4)?;
    let [0xFF, second, third, _] = *frame else { return None };
    if second & 0xE6 != 0xE2 {
        return None;
    }
    let rates = if second & 0x18 == 0x18 { LAYER_3 } else { LAYER_3_LOW };
    let rate = *rates.get(usize::from(third >> 4))?;
    (rate > 0).then(|| span((file.len() - start) as u64, rate * 125))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wav_of(seconds: u32) -> Vec<u8> {
        let (rate, length) = (16_000_u32, seconds * 16_000);
        let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
        file.extend(8000_u32.to_le_bytes());
        file.extend(rate.to_le_bytes());
        file.extend(b"\x02\0\x10\0LIST\x03\0\0\0abc\0data");
        file.extend(length.to_le_bytes());
        file.extend(vec![0; length as usize]);
        file
    }

    #[test]
    fn a_file_says_how_long_it_is() {
        assert_eq!(measured_millis(&wav_of(3)), Some(3000));
        let mut flac = b"fLaC\0\0\0\x22".to_vec();
        flac.extend([0; 10]);
        // 44,100 Hz in twenty bits, one channel of sixteen bits, 88,200 samples.
        flac.extend([0x0A, 0xC4, 0x40, 0xF0, 0x00, 0x01, 0x58, 0x88]);
        flac.extend([0; 4000]);
        assert_eq!(measured_millis(&flac), Some(2000));
        let mut ogg = b"OggS\0\x02".to_vec();
        ogg.extend(b"OpusHead");
        ogg.extend([0; 9000]);
        ogg.extend(b"OggS\0\x04");
        ogg.extend(96_000_u64.to_le_bytes());
        assert_eq!(measured_millis(&ogg), Some(2000));
        let mut mp4 = b"\0\0\0\x18ftypM4A \0\0\0\0mvhd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x03\xE8\0\0\x0B\xB8".to_vec();
        mp4.extend([0; 4000]);
        assert_eq!(measured_millis(&mp4), Some(3000));
        let mut mp3 = b"\xFF\xFB\x90\0".to_vec();
        mp3.resize(32_000, 0);
        assert_eq!(measured_millis(&mp3), Some(2000));
    }

    #[test]
    fn a_head_that_lies_is_held_against_the_length() {
        let mut mp4 = b"\0\0\0\x18ftypM4A \0\0\0\0mvhd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x03\xE8\xFF\0\x0B\xB8".to_vec();
        mp4.resize(5000, 0);
        assert_eq!(measured_millis(&mp4), Some(5000));
        assert_eq!((measured_millis(b"no sound"), millis(&[0; 32_000])), (None, 2000));
    }

    proptest::proptest! {
        #[test]
        fn no_file_is_longer_than_its_bytes_allow(lead in 0_usize..6, mut bytes in proptest::collection::vec(0_u8.., 0..400)) {
            let leads: [&[u8]; 6] = [b"RIFF0000WAVEfmt ", b"fLaC", b"OggS0OpusHead", b"0000ftypmvhd", b"ID3", b"\xFF\xFB"];
            bytes.splice(0..0, leads[lead].iter().copied());
            proptest::prop_assert!(millis(&bytes) <= most_millis(bytes.len() as u64));
        }
    }
}
