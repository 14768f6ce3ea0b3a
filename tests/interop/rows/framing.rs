//! Compression, and the framings that outlived it.

use super::super::cell::{Cell, INCOMPATIBLE};
use super::super::row::Row;
use super::super::setup::Setup;
use super::transport::connects;
use super::wrapping::since_2_6;

pub(super) fn rows() -> Vec<Row> {
    let pushed = |line: &str| Setup::new().server(&format!("{line}\npush \"{line}\""));
    vec![
        connects("`comp-lzo no`", Setup::new().both("comp-lzo no")).quirks(&[20]),
        connects("`comp-lzo no` pushed", pushed("comp-lzo no")).quirks(&[20]),
        connects("`compress stub`", Setup::new().both("compress stub")).quirks(&[21]),
        connects("`compress stub` pushed", pushed("compress stub")).quirks(&[21]),
        connects("`compress stub-v2`", Setup::new().both("compress stub-v2")),
        connects("`compress stub-v2` pushed", pushed("compress stub-v2")),
        connects(
            "`compress migrate` with a client of `comp-lzo no`",
            Setup::new()
                .server("compress migrate")
                .client("comp-lzo no"),
        )
        .only(since_2_6),
        decompresses(
            "`lz4-v2` let in, `allow-compression asym`",
            "compress lz4-v2",
        ),
        decompresses("`lz4` let in, `allow-compression asym`", "compress lz4"),
        decompresses(
            "`comp-lzo` let in, `allow-compression asym`",
            "comp-lzo yes",
        ),
        Row::refused("compression pushed, not allowed", move |cell| {
            let setup = pushed("compress lz4").server("allow-compression yes");
            cell.assert_refuses(&setup, INCOMPATIBLE, &["compress"]);
        })
        .quirks(&[19]),
    ]
}

/// Packets that a server compresses (2.7 never does) arrive as they were.
fn decompresses(feature: &'static str, line: &'static str) -> Row {
    Row::works(feature, move |cell: &Cell<'_>| {
        let setup = Setup::new()
            .server(&format!("allow-compression yes\n{line}\npush \"{line}\""))
            .client("allow-compression asym");
        let _server = cell.serve(&setup);
        let client = cell.connect(&setup);
        client.wait_connected();
        cell.assert_passes(&client);
        // A long payload of one repeated byte, which is checked by ping itself.
        let said = cell.on_client("ping", "-n -c 3 -i 0.05 -w 8 -s 1200 -p 5a 10.9.0.1");
        // Under load, ping has sent a fourth when the third answer comes.
        assert!(said.contains(" 3 received"), "{said}");
        assert!(!said.contains("wrong data"), "{said}");
        cell.leave(client);
    })
}
