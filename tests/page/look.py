#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Opens a page in headless Chromium at two widths, light and dark, asserts what a reader relies on, and leaves pictures to look at.

    tests/page/look.py PAGE.html FOLDER

Asserted: nothing is loaded but the page, nothing runs, no picture or table makes the page scroll sideways, every text has a
contrast of at least 4.5 with what is behind it, printing opens the folds. Needs Chromium (apt-get install chromium; CHROMIUM
names another one) and Python 3 alone: it speaks the DevTools protocol over a pipe. No part of CI.
"""
import base64, json, os, subprocess, sys, tempfile

WIDTHS = (1280, 400)
CHROMIUM = os.environ.get("CHROMIUM", "chromium")

CHECK = r"""(() => {
  const wide = document.documentElement.scrollWidth, bad = [];
  if (wide > innerWidth) {
    bad.push(`the page is ${wide} px wide in a window of ${innerWidth}`);
    for (const e of document.querySelectorAll('main > *'))
      if (e.getBoundingClientRect().right > innerWidth + 1) bad.push(`too wide: ${e.outerHTML.slice(0, 80)}`);
  }
  const rgb = c => (c.match(/[\d.]+/g) || [0, 0, 0, 0]).map(Number);
  const light = c => { const f = x => (x /= 255) <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
    return 0.2126 * f(c[0]) + 0.7152 * f(c[1]) + 0.0722 * f(c[2]) + 0.05; };
  const ground = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
  let least = 21, where = '', texts = 0;
  for (const e of document.querySelectorAll('main *')) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || !e.getClientRects().length) continue;
    const s = getComputedStyle(e), c = e.closest('svg') ? s.fill : s.color;
    if (e.closest('svg') && c === 'none') continue;
    const a = light(rgb(c)), b = light(ground(e)), k = Math.max(a, b) / Math.min(a, b);
    texts++;
    if (k < least) { least = k; where = e.outerHTML.slice(0, 120); }
  }
  if (least < 4.5) bad.push(`a contrast of ${least.toFixed(2)}: ${where}`);
  if (document.scripts.length) bad.push('there is a script');
  const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
  if (new Set(ids).size !== ids.length) bad.push('an id is there twice');
  for (const a of document.querySelectorAll('[href^="#"]'))
    if (!document.getElementById(a.getAttribute('href').slice(1))) bad.push(`a link to nothing: ${a.getAttribute('href')}`);
  return {bad, least, texts, height: document.documentElement.scrollHeight};
})()"""


class Browser:
    """Chromium behind two pipes: file descriptors 3 (to it) and 4 (from it), messages ended by a zero byte."""

    def __init__(self, profile):
        read, self.out = os.pipe()
        self.into, write = os.pipe()
        command = f'exec "$0" "$@" 3<&{read} 4>&{write}'
        self.process = subprocess.Popen(
            ["bash", "-c", command, CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
             f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank"],
            pass_fds=(read, write), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        os.close(read)
        os.close(write)
        self.number, self.rest, self.events, self.session = 0, b"", [], None

    def receive(self):
        while b"\0" not in self.rest:
            part = os.read(self.into, 1 << 20)
            if not part:
                sys.exit(f"{CHROMIUM} ended; is it installed?")
            self.rest += part
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.number:
                if "error" in answer:
                    sys.exit(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.events.append(answer)

    def wait(self, event):
        while not any(e.get("method") == event for e in self.events):
            self.events.append(self.receive())


def shots(browser, name, folder, height):
    """Pictures of the whole page, cut where they would be too high for a viewer."""
    step, n = 2400, 0
    for top in range(0, int(height), step):
        clip = {"x": 0, "y": top, "width": browser.width, "height": min(step, height - top), "scale": 1}
        data = browser.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)["data"]
        with open(os.path.join(folder, f"{name}.{n:02d}.png"), "wb") as out:
            out.write(base64.b64decode(data))
        n += 1
    return n


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    page, folder = "file://" + os.path.abspath(sys.argv[1]), sys.argv[2]
    os.makedirs(folder, exist_ok=True)
    failed = False
    with tempfile.TemporaryDirectory() as profile:
        browser = Browser(profile)
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        browser.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime"):
            browser.call(f"{domain}.enable")
        for width in WIDTHS:
            for theme in ("light", "dark"):
                browser.width, browser.events = width, []
                browser.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600)
                browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
                browser.call("Page.navigate", url=page)
                browser.wait("Page.loadEventFired")
                browser.call("Runtime.evaluate", expression="document.querySelectorAll('details').forEach(d => d.open = true)")
                told = browser.call("Runtime.evaluate", expression=CHECK, returnByValue=True)["result"]["value"]
                loaded = {e["params"]["request"]["url"] for e in browser.events if e.get("method") == "Network.requestWillBeSent"}
                bad = told["bad"] + [f"loads {url}" for url in loaded if url != page]
                n = shots(browser, f"{width}-{theme}", folder, told["height"])
                print(f"{width} px, {theme}: {n} pictures, {told['texts']} texts, least contrast {told['least']:.2f}", *bad, sep="\n  ")
                failed |= bool(bad)
        browser.events = []
        browser.call("Emulation.setEmulatedMedia", features=[])
        browser.call("Page.navigate", url=page)
        browser.wait("Page.loadEventFired")
        browser.call("Emulation.setEmulatedMedia", media="print")
        hidden = browser.call("Runtime.evaluate", returnByValue=True, expression="""[...document.querySelectorAll('details')]
            .filter(d => ![...d.querySelectorAll('p, li, table, pre, figure')].some(e => e.getClientRects().length)).length""")["result"]["value"]
        if hidden:
            print(f"printed: {hidden} folds are closed")
            failed = True
        shots(browser, "print", folder, 4800)
        pdf = base64.b64decode(browser.call("Page.printToPDF", printBackground=True)["data"])
        with open(os.path.join(folder, "print.pdf"), "wb") as out:
            out.write(pdf)
        print(f"printed: {len(pdf)} bytes, {pdf.count(b'/Type /Page') - pdf.count(b'/Type /Pages')} pages")
        browser.session = None
        browser.call("Browser.close")
        browser.process.wait()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
