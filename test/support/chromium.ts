/** A real browser for the page: Debian's Chromium, or another one that CHROMIUM names. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { launch } from 'puppeteer-core';
import type { Browser, Page } from 'puppeteer-core';

/** Path of the program; undefined if there is none here. */
export function chromiumProgram(): string | undefined {
  const given = process.env['CHROMIUM'];
  const candidates = given ? [given] : (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'chromium'));
  return candidates.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Starts it without a window; close it in the end. */
export function startChromium(program: string): Promise<Browser> {
  // Chromium's sandbox refuses to run as root. What it loads here is our own page.
  const asRoot = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  return launch({ executablePath: program, headless: true, args: [...asRoot, '--disable-gpu', '--disable-dev-shm-usage', '--disable-extensions', '--no-first-run', '--disable-background-networking'] });
}

/** A tab that remembers all that went wrong in it. */
export interface Tab {
  readonly page: Page;
  /** Console errors, uncaught errors, failed requests, and what the content security policy refused. */
  readonly complaints: string[];
  /** The value of an expression in the tab. */
  ask<T>(expression: string): Promise<T>;
  /** Waits until something that `selector` names is shown; `::-p-text(…)` asks for a text. */
  shows(selector: string): Promise<void>;
  /** The text of all that `selector` names. */
  texts(selector: string): Promise<string[]>;
  click(selector: string): Promise<void>;
}

const WAIT_MS = 20_000;

const hoursToNoon = 12 - new Date().getUTCHours();
/** A zone where it is about noon, so that no test sees its day end. (Etc/GMT-2 is two hours ahead.) */
export const NOON = `Etc/GMT${hoursToNoon > 0 ? '-' : '+'}${Math.abs(hoursToNoon)}`;

/** Opens a tab of a browser of its own, as it were: no cookies or storage of the others. */
export async function openTab(browser: Browser, url: string, { zone = NOON, width = 1280, height = 900 } = {}): Promise<Tab> {
  const page = await (await browser.createBrowserContext()).newPage();
  const complaints: string[] = [];
  await page.setViewport({ width, height });
  await page.emulateTimezone(zone);
  await page.exposeFunction('complain', (text: string) => complaints.push(text));
  await page.evaluateOnNewDocument("addEventListener('securitypolicyviolation', (event) => complain(`policy: ${event.violatedDirective} ${event.blockedURI}`))");
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warn') complaints.push(`console: ${message.text()} ${message.location().url ?? ''}`);
  });
  page.on('pageerror', (error) => complaints.push(`uncaught: ${String(error)}`));
  page.on('requestfailed', (request) => {
    // The stream is left by the page itself.
    if (request.failure()?.errorText !== 'net::ERR_ABORTED') complaints.push(`request: ${request.url()} ${request.failure()?.errorText ?? ''}`);
  });
  const tab: Tab = {
    page, complaints,
    ask: <T>(expression: string) => page.evaluate(expression) as Promise<T>,
    shows: async (selector) => {
      await page.waitForSelector(selector, { visible: true, timeout: WAIT_MS }).catch(async (error: unknown) => {
        throw new Error(`${selector} is not shown; the page says: ${(await tab.ask<string>('document.body.innerText')).slice(0, 2000)}\n${complaints.join('\n')}`, { cause: error });
      });
    },
    texts: (selector) => tab.ask(`[...document.querySelectorAll(${JSON.stringify(selector)})].map((element) => element.textContent)`),
    click: async (selector) => {
      await tab.shows(selector);
      await page.locator(selector).setTimeout(WAIT_MS).click();
    },
  };
  await page.goto(url, { waitUntil: 'load', timeout: WAIT_MS });
  return tab;
}
