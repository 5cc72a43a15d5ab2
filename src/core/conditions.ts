/** Conditions as Kubernetes defines them: set by type, lastTransitionTime moves with status only. */
import { toTime } from './time.ts';
import type { Condition } from '../api/schema.ts';

export interface ConditionUpdate {
  type: string;
  status: 'True' | 'False' | 'Unknown';
  reason: string;
  message?: string;
}

const MESSAGE_MAX = 1024;

/** Sets one condition in a draft status. Nothing moves if nothing is new, so that no write follows. */
export function setCondition(draft: { conditions?: Condition[] | undefined }, update: ConditionUpdate, now: Date, generation?: number): void {
  const conditions = draft.conditions ?? [];
  const before = conditions.find((condition) => condition.type === update.type);
  const next: Condition = {
    type: update.type,
    status: update.status,
    reason: update.reason,
    ...(update.message === undefined ? {} : { message: update.message.slice(0, MESSAGE_MAX) }),
    lastTransitionTime: before?.status === update.status ? before.lastTransitionTime : toTime(now),
    ...(generation === undefined ? {} : { observedGeneration: generation }),
  };
  draft.conditions = before ? conditions.map((condition) => (condition === before ? next : condition)) : [...conditions, next];
}

export function getCondition(status: { conditions?: Condition[] | undefined } | undefined, type: string): Condition | undefined {
  return status?.conditions?.find((condition) => condition.type === type);
}

export const isTrue = (status: { conditions?: Condition[] | undefined } | undefined, type: string): boolean => getCondition(status, type)?.status === 'True';
