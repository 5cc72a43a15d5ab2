import { fileURLToPath } from 'node:url';
import { pythonWith } from '../../../hack/python/venv.ts';

const REQUIREMENTS = fileURLToPath(new URL('requirements.txt', import.meta.url));

/** A Python interpreter that has the public CML client. */
export const pythonWithVirl2 = (): Promise<string> => pythonWith('virl2', REQUIREMENTS);
