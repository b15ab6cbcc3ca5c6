//! The page that looks at the site's pages, and what is put into these so that it sees their
//! errors.

/// Words that the search must find.
pub const WORDS: [&str; 3] = ["token_expired", "triton", "failure_policy"];

/// Tells the probe of every error of a page, from its first script on.
const WATCH: &str = r"<script>
(() => {
    const tell = (what) => parent.faults?.push(`${location.pathname}: ${what}`);
    addEventListener('error', (event) => tell(event.message || `${event.target.outerHTML}`), true);
    addEventListener('unhandledrejection', (event) => tell(event.reason));
    for (const level of ['error', 'warn']) {
        const original = console[level];
        console[level] = (...what) => { tell(what.join(' ')); original(...what); };
    }
})();
</script>";

/// A page of the site that tells its errors.
pub fn watched(page: &str) -> String {
    page.replacen("<head>", &format!("<head>{WATCH}"), 1)
}

/// The page that looks at these.
pub fn page(pages: &[String]) -> String {
    PROBE
        .replace("PAGES", &serde_json::to_string(pages).unwrap())
        .replace("WORDS", &serde_json::to_string(&WORDS).unwrap())
}

const PROBE: &str = r#"<!DOCTYPE html><html><head><title>Probe</title></head><body><script>
const faults = [];
const found = {};
let loads = 0;

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

function frame(width) {
    const frame = document.createElement('iframe');
    frame.style.cssText = `width: ${width}px; height: 900px; border: 0`;
    document.body.append(frame);
    return frame;
}

async function load(frame, address) {
    loads += 1;
    await new Promise((done) => { frame.onload = done; frame.src = address; });
}

function measure(frame, page, width, theme) {
    frame.style.width = `${width}px`;
    const { document: inner, innerWidth } = frame.contentWindow;
    const wide = inner.scrollingElement.scrollWidth;
    if (wide > innerWidth) {
        faults.push(`/${page} is ${wide} px wide at ${width} px, ${theme}`);
    }
    if (!inner.documentElement.classList.contains(theme)) {
        faults.push(`/${page} is not in the theme ${theme}`);
    }
}

async function look(page, theme) {
    const phone = frame(390);
    await load(phone, page);
    measure(phone, page, 390, theme);
    phone.remove();
    const screen = frame(1280);
    await load(screen, page);
    measure(screen, page, 1280, theme);
    measure(screen, page, 1920, theme);
    screen.remove();
}

async function search(word) {
    const window = frame(1280);
    await load(window, `index.html?search=${word}`);
    const results = () => window.contentDocument.querySelectorAll('#mdbook-searchresults li').length;
    for (let tries = 0; tries < 50 && results() === 0; tries += 1) {
        await pause(100);
    }
    found[word] = results();
    window.remove();
}

(async () => {
    for (const theme of ['light', 'navy']) {
        localStorage.setItem('mdbook-theme', theme);
        for (const page of PAGES) {
            await look(page, theme);
        }
    }
    for (const word of WORDS) {
        await search(word);
    }
    await fetch('/report', { method: 'POST', body: JSON.stringify({ faults, found, loads }) });
})();
</script></body></html>"#;
