//! What a bridge in this process logs, at the loudest level: of the threads of its own runtime alone, as other tests run
//! beside it.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use tracing_subscriber::EnvFilter;

#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }

    /// From now on keeps what this thread logs, until it ends.
    pub(super) fn keeps_this_thread(&self) {
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new("debug,caigunn_bridge=trace"))
            .with_ansi(false)
            .with_writer(move || log.clone())
            .finish();
        std::mem::forget(tracing::subscriber::set_default(subscriber));
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
