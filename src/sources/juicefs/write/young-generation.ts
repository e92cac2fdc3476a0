import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';

/** Of both halves. Less makes rows that wait to be written old, and they cost more then; V8 itself would go to seven times as much. */
const ENOUGH_BYTES = 8 * 1024 * 1024;

/** V8 doubles the room for young objects as long as many survive, and keeps it. Asked between batches; from there on it stays as it is. */
export const boundYoungGeneration = (): void => {
  const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space');
  if (young !== undefined) setFlagsFromString(`--semi-space-growth-factor=${young.space_size >= ENOUGH_BYTES ? 1 : 2}`);
};
