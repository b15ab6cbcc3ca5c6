//! Filters that live in their root context: ticks, the configuration, queues.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use log::info;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType};

/// Says hello, and the time on every tick.
pub struct HelloWorld;

impl Context for HelloWorld {}

impl RootContext for HelloWorld {
    fn on_vm_start(&mut self, _: usize) -> bool {
        info!("Hello, World!");
        self.set_tick_period(Duration::from_secs(5));
        true
    }

    fn on_tick(&mut self) {
        let host = self
            .get_current_time()
            .duration_since(UNIX_EPOCH)
            .map(|time| time.as_secs());
        let own = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map(|time| time.as_secs());
        info!("It's {host:?}, and {own:?} by the guest's own clock.");
    }
}

/// Gives each exchange what the configuration says.
#[derive(Default)]
pub struct Config {
    header: Vec<u8>,
}

impl Context for Config {}

impl RootContext for Config {
    fn on_configure(&mut self, _: usize) -> bool {
        if let Some(configuration) = self.get_plugin_configuration() {
            self.header = configuration;
        }
        !self.header.is_empty()
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(ConfiguredHeader {
            header: self.header.clone(),
        }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct ConfiguredHeader {
    header: Vec<u8>,
}

impl Context for ConfiguredHeader {}

impl HttpContext for ConfiguredHeader {
    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        self.add_http_response_header_bytes("custom-header", &self.header);
        Action::Continue
    }
}

/// Puts the path of each request into a queue and reads it in the root context.
#[derive(Default)]
pub struct Queue {
    number: u32,
}

impl Context for Queue {}

impl RootContext for Queue {
    fn on_configure(&mut self, _: usize) -> bool {
        self.number = self.register_shared_queue("paths");
        true
    }

    fn on_queue_ready(&mut self, number: u32) {
        if let Ok(Some(entry)) = self.dequeue_shared_queue(number) {
            info!("queued: {}", String::from_utf8_lossy(&entry));
        }
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Enqueue {
            number: self.number,
        }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Enqueue {
    number: u32,
}

impl Context for Enqueue {}

impl HttpContext for Enqueue {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let path = self.get_http_request_header(":path").unwrap_or_default();
        self.enqueue_shared_queue(self.number, Some(path.as_bytes()))
            .unwrap();
        Action::Continue
    }
}

/// Makes the HTTP filters of the other modules.
pub struct Http {
    pub name: String,
}

impl Context for Http {}

impl RootContext for Http {
    fn create_http_context(&self, context: u32) -> Option<Box<dyn HttpContext>> {
        crate::filter(&self.name, context)
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}
