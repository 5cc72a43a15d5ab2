/** Commands that look at one session: why, timeline. */
import { eventsAbout, pinnedOf, sessionNamed, workerOf } from '../read.ts';
import { timelineLines } from '../views/timeline-lines.ts';
import { timeline } from '../views/timeline.ts';
import { whyLines } from '../views/why-lines.ts';
import { explain } from '../views/why.ts';
import type { Context } from '../context.ts';

export async function why(context: Context, name: string): Promise<void> {
  const session = await sessionNamed(context, name);
  const [definition, worker, events] = await Promise.all([pinnedOf(context, session), workerOf(context, session), eventsAbout(context, session)]);
  context.show(explain(session, { definition, worker, events }, new Date()), whyLines);
}

export async function story(context: Context, name: string): Promise<void> {
  const session = await sessionNamed(context, name);
  context.show(timeline(session, await eventsAbout(context, session), new Date()), timelineLines);
}
