import { writeFile } from 'node:fs/promises';
import { kinds } from '../sources/registry.ts';
import { environmentJsonSchema } from './schema.ts';

/** What environments/schema.json holds, before it is formatted: `node src/environment/generate.ts && biome format --write environments`. */
export const schemaText = (): string => `${JSON.stringify(environmentJsonSchema(kinds), null, 2)}\n`;

if (import.meta.main) await writeFile(new URL('../../environments/schema.json', import.meta.url), schemaText());
