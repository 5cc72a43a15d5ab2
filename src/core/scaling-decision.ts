/** What scale-up decides, and how people are told of it. */
import { formatDuration } from './duration.ts';
import { firstNames } from './first-names.ts';
import type { TemplateView } from './scaling.ts';

export type UpReason = 'NoCapacity' | 'MinWorkers';
export type UpRefusal = 'TemplateLimit' | 'InstallationLimit' | 'BackingOff' | 'Quarantined' | 'Unschedulable';

interface Told {
  /** Sessions for which it is taken, `namespace/name`. */
  sessions: string[];
  /** For people. */
  message: string;
}

export type UpDecision = Told & (
  | { action: 'launch'; template: string; reason: UpReason }
  | { action: 'resume'; worker: string; reason: UpReason }
  | { action: 'keep'; worker: string; reason: UpReason }
  /** `template` is the one that would have been taken; undefined where nothing fits at all. */
  | { action: 'refuse'; template: string | undefined; reason: UpRefusal });

/** A sentence for Events and logs. */
export function messageOf(decision: UpDecision, templates: readonly TemplateView[]): string {
  const { sessions } = decision;
  const names = firstNames(sessions, 3);
  const why = sessions.length > 0 ? `for ${sessions.length} session(s) that no worker can take: ${names}` : 'to keep minWorkers';
  const template = templates.find(({ name }) => decision.action !== 'resume' && decision.action !== 'keep' && name === decision.template);
  switch (decision.action) {
    case 'launch': return `A worker is made, ready in about ${formatDuration(template?.leadTime ?? 0)}, ${why}.`;
    case 'resume': return `It is started again ${why}.`;
    case 'keep': return `Its drain is cancelled ${why}.`;
    case 'refuse': return `No worker is made ${why}. ${REFUSALS[decision.reason](template)}`;
  }
}

const REFUSALS: Record<UpRefusal, (template: TemplateView | undefined) => string> = {
  TemplateLimit: (template) => `maxWorkers of the template is ${template?.maxWorkers ?? 0}; raise it, or wait for a session to end.`,
  InstallationLimit: () => 'MAX_WORKERS of the installation is reached; raise it, or delete workers that are not needed.',
  BackingOff: (template) => `Its last launch failed; the next is tried at ${template?.notBefore?.toISOString() ?? 'a later time'}.`,
  Quarantined: (template) => `Its launches keep failing; one is tried again after ${template?.notBefore?.toISOString() ?? 'a while'}. Look at its failed Workers for the cause.`,
  Unschedulable: () => 'No worker fits, and no enabled template can make one that does; compare the needs of its definition with the templates.',
};
