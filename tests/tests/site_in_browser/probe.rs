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
var faults = [];
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
}

// Loads a page in a theme, and looks at it in this one and in the other.
async function look(page, theme, other, widths) {
    const one = frame(widths[0]);
    await load(one, page);
    const { classList } = one.contentDocument.documentElement;
    if (!classList.contains(theme)) {
        faults.push(`/${page} is not in the theme ${theme}`);
    }
    for (const width of widths) {
        measure(one, page, width, theme);
    }
    for (const { name } of one.contentWindow.performance.getEntriesByType('resource')) {
        if (new URL(name).origin !== location.origin) {
            faults.push(`/${page} asks another server: ${name}`);
        }
    }
    classList.replace(theme, other);
    for (const width of widths) {
        measure(one, page, width, other);
    }
    one.remove();
}

// These pages, some at a time.
async function all(pages, theme, other) {
    localStorage.setItem('mdbook-theme', theme);
    const waiting = [...pages];
    const lane = async () => {
        while (waiting.length > 0) {
            await look(waiting.shift(), theme, other, [390, 1280, 1920]);
        }
    };
    await Promise.all([lane(), lane(), lane(), lane()]);
}

async function search(word) {
    const one = frame(1280);
    await load(one, `index.html?search=${word}`);
    const list = one.contentDocument.querySelector('#mdbook-searchresults');
    const results = () => list?.querySelectorAll('li').length ?? 0;
    // The index is large, and the machine may be slow.
    for (let tries = 0; list && tries < 1200 && results() === 0; tries += 1) {
        await pause(100);
    }
    found[word] = results();
    one.remove();
}

(async () => {
    // Every other page begins in the one theme, the rest in the other: each is looked at in both.
    const every = (rest) => PAGES.filter((_, at) => at % 2 === rest);
    await all(every(0), 'light', 'navy');
    await all(every(1), 'navy', 'light');
    await Promise.all(WORDS.map(search));
    await fetch('/report', { method: 'POST', body: JSON.stringify({ faults, found, loads }) });
})();
</script></body></html>"#;
