// An entry inside Chromium, through playwright-core and the browser that the machine has.

import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { bundle, type Reply, type Runtime, readReply } from './runtime.ts';

const BROWSERS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** The browser's path: CLOISTER_CHROMIUM, or where distributions put it; undefined where there is none. */
export const chromiumPath: string | undefined =
  process.env.CLOISTER_CHROMIUM ?? BROWSERS.find((path) => existsSync(path));

/** Starts a browser without a window on an empty page. The page has a secure origin and nothing touches the network. */
export async function startChromium(entry: string): Promise<Runtime> {
  if (chromiumPath === undefined) throw new Error('no Chromium on this machine');
  const script = await bundle(entry, '\nglobalThis.answer = answer;');
  // Chromium's own sandbox refuses to start for root; the page is ours and empty.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  const browser = await chromium.launch({ executablePath: chromiumPath, args });
  const page = await browser.newPage();
  await page.route('**/*', (route) =>
    route.fulfill({ contentType: 'text/html', body: '<!doctype html><title>runtime</title>' }),
  );
  await page.goto('https://runtime.invalid/');
  await page.addScriptTag({ content: script, type: 'module' });
  await page.waitForFunction('globalThis.answer !== undefined');
  return {
    name: 'chromium',
    async call(name, ...args) {
      const reply = await page.evaluate(`answer(${JSON.stringify(name)}, ${JSON.stringify(args)})`);
      return readReply(reply as Reply);
    },
    close: () => browser.close(),
  };
}
