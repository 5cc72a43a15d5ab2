/** The page in a real Chromium, over a real API server whose RBAC judges the token. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { chromiumProgram, NOON, openTab, startChromium } from '../support/chromium.ts';
import { takePictures } from '../support/page-pictures.ts';
import { testCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { fleetOf, serveFleet } from '../support/page-fleet.ts';
import { minutesFrom, startTestPage, statusAt } from '../support/page.ts';
import type { Browser } from 'puppeteer-core';
import type { Tab } from '../support/chromium.ts';
import type { TestPage } from '../support/page.ts';

const program = chromiumProgram();
if (program === undefined) process.stderr.write('the page is not tested in a browser: there is no chromium here (Debian: apt-get install chromium)\n');
const inChromium = program === undefined ? describe.skip : describe;

/** What would run if any text became markup. */
const HOSTILE = '<img src=x onerror="complain(\'markup ran\')"><script>complain("script ran")</script>';

inChromium('the page in a browser', () => {
  const cluster = testCluster();
  let world: TestPage;
  let browser: Browser;
  let namespace = '';
  let token = '';
  const tabs: Tab[] = [];

  async function opened(hash = ''): Promise<Tab> {
    const tab = await openTab(browser, `${world.url}/${hash}`);
    tabs.push(tab);
    return tab;
  }

  async function signIn(tab: Tab, given: string): Promise<void> {
    await tab.shows('#login');
    await tab.page.locator('input[name=token]').fill(given);
    await tab.click('#login button');
  }

  /** Leaves out what other tests have on this cluster: all names here begin with our namespace. */
  const onlyOurs = (tab: Tab): Promise<void> => tab.page.locator('#search input').fill(namespace);

  beforeAll(async () => {
    namespace = await cluster.freshNamespace('page');
    const starting = startChromium(program ?? '');
    world = await startTestPage(cluster, namespace, { gatherMs: 50 });
    browser = await starting;
    const amounts = { cpu: '16', memory: '64Gi', storage: '500Gi', nodes: 200, ports: 6000 };
    const running = statusAt({ Pending: -60, Scheduled: -50, Instantiating: -40, Ready: -35, Running: -30 }, { workerName: `${namespace}-w1`, timeslot: { start: minutesFrom(-30), end: minutesFrom(60) } });
    await Promise.all([
      world.worker(`${namespace}-w1`, { phase: 'Running', cmlVersion: '2.9.1', capacity: { declared: amounts, allocated: { ...amounts, cpu: '12', nodes: 20 }, available: { ...amounts, cpu: '4', nodes: 180 } } }),
      world.worker(`${namespace}-w2`, { phase: 'Running', unreachableSince: minutesFrom(-5), conditions: [{ type: 'CMLReady', status: 'False', reason: 'Unreachable', message: 'connect ECONNREFUSED', lastTransitionTime: minutesFrom(-5) }] }),
      world.session('ada', running),
      world.session('grace', statusAt({ Pending: -3 }, { conditions: [{ type: 'Scheduled', status: 'False', reason: 'InsufficientCapacity', message: 'No worker has 8 CPUs free.', lastTransitionTime: minutesFrom(-3) }] })),
      world.session('mallory', { ...running, message: HOSTILE, reason: 'UserStarted', conditions: [{ type: 'Degraded', status: 'True', reason: 'LabStopped', message: HOSTILE, lastTransitionTime: minutesFrom(-1) }] }, { owner: HOSTILE, candidate: { id: HOSTILE, firstName: HOSTILE.slice(0, 100) }, reservationId: HOSTILE }),
      world.token('proctor', 'list,get labletsessions', 'list workers').then((made) => {
        token = made;
      }),
    ]);
  }, 120_000);
  afterAll(async () => {
    await browser.close();
    await world.close();
  });

  test('asks for a token, and says why one is refused', async () => {
    const tab = await opened();
    await signIn(tab, 'made-up');
    await tab.shows('#refusal::-p-text(the token is not valid)');
    expect(tab.complaints.filter((complaint) => !complaint.includes('401'))).toEqual([]);
    tab.complaints.length = 0;
  });

  test('shows the fleet, and what changes in it without being loaded again', async () => {
    const tab = await opened();
    await signIn(tab, token);
    await tab.shows('#fleet a.chip.phase-Running::-p-text(ada)');
    await onlyOurs(tab);
    await eventually(async () => expect(await tab.texts('#fleet tbody th[scope=row]')).toEqual([`${namespace}-w1metal · CML 2.9.1`, `${namespace}-w2metal`]));
    await tab.shows('#fleet .matters .reason::-p-text(Unreachable)');
    await tab.shows('#fleet .matters li::-p-text(No worker has 8 CPUs free.)');
    expect(await tab.ask('document.querySelector("meter[aria-label^=cpu]").value')).toBe(12);

    await tab.ask('void (window.notLoadedAgain = true)');
    await world.becomes('ada', statusAt({ Pending: -60, Scheduled: -50, Instantiating: -40, Ready: -35, Running: -30, Collecting: 0 }));
    await tab.shows('#fleet a.chip.phase-Collecting::-p-text(ada)');
    await world.removeWorker(`${namespace}-w2`);
    await tab.shows('#fleet tbody tr:only-child');
    expect(await tab.ask('window.notLoadedAgain')).toBe(true);

    await tab.page.type('#search input', ' grace');
    await tab.shows('#fleet .hint::-p-text(No worker is here)');
  });

  test('shows today by worker, with a bar for each session that the keyboard reaches', async () => {
    const tab = await opened('#/timeline');
    await signIn(tab, token);
    await tab.shows('#timeline svg a rect.fill-Running');
    await onlyOurs(tab);
    await eventually(async () => expect(await tab.texts('#timeline table.timeline tbody th')).toEqual([`${namespace}-w1`, 'no worker']));
    await tab.shows('#timeline table:not(.timeline) th::-p-text(ada)');
    await tab.ask(`document.querySelector('a.bar[href$="/ada"]').focus()`);
    await tab.page.keyboard.press('Enter');
    await tab.shows('#story h2::-p-text(ada)');
  });

  test('tells the story of a session, and goes on telling it', async () => {
    const tab = await opened(`#/session/${namespace}/ada`);
    await signIn(tab, token);
    await tab.shows('#story td .badge.phase-Running');
    expect(await tab.texts('#story table:first-of-type tbody td:nth-child(3)')).toEqual(expect.arrayContaining(['10 min 00 s', '5 min 00 s']));
    // In the reader's zone, and in UTC under the pointer.
    const [shown, utc] = await tab.ask<[string, string]>('(() => { const time = document.querySelector("#story tbody time"); return [time.textContent, time.title]; })()');
    expect(utc).toMatch(/^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2} UTC$/);
    expect(shown).toContain(new Intl.DateTimeFormat('en', { timeZone: NOON, hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' }).format(new Date(utc.replace(' UTC', 'Z').replace(' ', 'T'))));
    const report = { name: 'ada-1', id: 'b1', score: 87, maxScore: 100, cutScore: 60, passed: true, submittedAt: minutesFrom(0) };
    await world.becomes('ada', { ...statusAt({ Pending: -60, Scheduled: -50, Instantiating: -40, Ready: -35, Running: -30, Collecting: -2, Grading: -1, Stopping: 0 }), scoreReport: report });
    await tab.shows('#story .result.passed::-p-text(87 of 100)');
  });

  test('shows what a session says as text, be it markup', async () => {
    const tab = await opened(`#/session/${namespace}/mallory`);
    await signIn(tab, token);
    await tab.shows('#story .why::-p-text(onerror)');
    expect((await tab.texts('#story dd')).filter((text) => text.includes('<script>')).length).toBeGreaterThanOrEqual(2);
    await tab.click('nav a[href="#/timeline"]');
    await tab.shows('#timeline td.note::-p-text(onerror)');
    await tab.click('nav a[href="#/fleet"]');
    await tab.shows('#fleet .matters li.alarm::-p-text(onerror)');
    expect(await tab.ask('document.querySelectorAll("main img, main script").length')).toBe(0);
  });

  test('draws a thousand sessions on a hundred workers only where they are looked at', async () => {
    const served = await serveFleet(fleetOf({ workers: 100, sessions: 1000, now: Date.now() }).caches);
    const tab = await openTab(browser, `${served.url}/#/timeline`);
    tabs.push(tab);
    await signIn(tab, 'any');
    await tab.shows('#timeline svg a.bar');
    expect(await tab.texts('#timeline table.timeline tbody th')).toHaveLength(101);
    const bars = await tab.ask<number>('document.querySelectorAll("a.bar").length');
    expect(bars).toBeGreaterThan(20);
    expect(bars).toBeLessThan(600);
    await tab.ask('document.querySelector("table.timeline tbody tr:nth-child(100)").scrollIntoView()');
    await tab.shows('#timeline tbody tr:nth-child(100) svg a.bar');
    const [more = ''] = await tab.texts('#timeline button');
    expect(Number(/^Show more of (\d+) sessions$/.exec(more)?.[1])).toBeGreaterThan(500);
    expect(await tab.ask('document.querySelectorAll("*").length')).toBeLessThan(15_000);
    await tab.page.close();
    await served.close();
  });

  // For docs/images, not a test of anything: PAGE_PICTURES=docs/images.
  const pictures = process.env['PAGE_PICTURES'];
  if (pictures !== undefined) test('sits for its pictures', async () => takePictures(browser, pictures), 120_000);

  test('and in all of that nothing failed, and nothing strayed from the content security policy', () => {
    expect(tabs.length).toBeGreaterThanOrEqual(6);
    expect(tabs.flatMap(({ complaints }) => complaints)).toEqual([]);
  });
});
