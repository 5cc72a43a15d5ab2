/** Which handler runs which step. Their names are those of the standard steps (src/core/pipeline-steps.ts). */
import { captureConfigs, captureScreenshots, exportPcaps, geSessionPod, packageEvidence } from './collect.ts';
import { awaitResult, loadRubric, recordScore, requestGrade } from './grade.ts';
import { contentSync, labBinding, labImportOrTags, labResolve, labStart, markReady, portsVerify } from './instantiate.ts';
import { deregisterLds, ldsProvision } from './lds.ts';
import { archive, stopLab, wipeOrDeleteLab } from './teardown.ts';
import type { Step } from './step.ts';

export const STEPS: Readonly<Record<string, Step>> = {
  content_sync: contentSync,
  lab_resolve: labResolve,
  ports_verify: portsVerify,
  lab_import_or_tags: labImportOrTags,
  lab_binding: labBinding,
  lab_start: labStart,
  lds_provision: ldsProvision,
  mark_ready: markReady,
  capture_configs: captureConfigs,
  capture_screenshots: captureScreenshots,
  export_pcaps: exportPcaps,
  package_evidence: packageEvidence,
  ge_session_pod: geSessionPod,
  load_rubric: loadRubric,
  request_grade: requestGrade,
  await_result: awaitResult,
  record_score: recordScore,
  stop_lab: stopLab,
  deregister_lds: deregisterLds,
  wipe_or_delete_lab: wipeOrDeleteLab,
  archive,
};
