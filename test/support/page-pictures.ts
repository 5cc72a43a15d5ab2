/** The pictures of docs/page.md, of a fleet that is made up for them. */
import { resolve } from 'node:path';
import { openTab } from './chromium.ts';
import { fleetOf, serveFleet } from './page-fleet.ts';
import type { Browser } from 'puppeteer-core';

/** Writes fleet.png, timeline.png and story.png. */
export async function takePictures(browser: Browser, folder: string): Promise<void> {
  const now = Date.now();
  const { caches } = fleetOf({ workers: 8, sessions: 64, now });
  const served = await serveFleet(caches);
  // A zone in which it is early in the afternoon: the day is half over.
  const ahead = Math.round(13 - new Date(now).getUTCHours());
  const tab = await openTab(browser, `${served.url}/#/fleet`, { zone: ahead === 0 ? 'Etc/UTC' : `Etc/GMT${ahead > 0 ? '-' : '+'}${Math.abs(ahead)}`, width: 1200, height: 760 });
  const take = (name: string, fullPage = false): Promise<unknown> => tab.page.screenshot({ path: resolve(folder, `${name}.png`), fullPage });
  await tab.page.type('input[name=token]', 'any');
  await tab.click('#login button');
  await tab.shows('#fleet a.chip');
  await take('fleet');
  await tab.click('nav a[href="#/timeline"]');
  await tab.shows('#timeline svg a.bar');
  await take('timeline');
  const passed = caches.sessions.list().findLast(({ status }) => status?.scoreReport?.passed === true)?.metadata.name ?? '';
  await tab.ask(`void (location.hash = '#/session/exams/${passed}')`);
  await tab.shows('#story table');
  await take('story', true);
  await served.close();
}
