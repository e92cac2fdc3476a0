import type { Json } from '../../backup/types.ts';
import { parseJson } from '../../json.ts';
import { StatesError } from './errors.ts';
import { scopeOf, type Visit } from './frame.ts';
import { toJson } from './json.ts';
import { ITEMS_MAX, PAYLOAD_MAX_BYTES } from './limits.ts';
import { unlessStopped } from './stop.ts';
import { render, renderNumber, renderString } from './template.ts';
import type { ItemReader, MapState } from './types.ts';

/** What an item's processor gets, and the context that its selector saw. */
export async function selected(
  state: MapState,
  index: number,
  value: Json,
  visit: Visit,
): Promise<{ readonly input: Json; readonly item: Json }> {
  const item = { Item: { Index: index, Value: value } };
  if (state.selector === undefined) return { input: value, item };
  const scope = scopeOf(visit, { context: { ...visit.context, Map: item } });
  return { input: await render(state.selector, scope), item };
}

/** The values of a JSONL object. Whatever is wrong with it is States.ItemReaderFailed. */
export async function readItems(reader: ItemReader, visit: Visit): Promise<readonly Json[]> {
  const scope = scopeOf(visit);
  const bucket = await renderString(reader.bucket, scope, 'Bucket');
  const key = await renderString(reader.key, scope, 'Key');
  const bounds = { min: 1, max: ITEMS_MAX, whole: true };
  const most = reader.maxItems === undefined ? undefined : await renderNumber(reader.maxItems, scope, 'MaxItems', bounds);
  return unlessStopped(collect(visit.frame.run.world.readObject(bucket, key), key, most), visit.frame.signal);
}

async function collect(bytes: AsyncIterable<Uint8Array>, key: string, most: number | undefined): Promise<readonly Json[]> {
  const items: Json[] = [];
  try {
    for await (const line of linesOf(bytes)) {
      if (items.length === most) break;
      if (items.length === ITEMS_MAX) throw new RangeError(`it has more than ${ITEMS_MAX} items`);
      items.push(itemOf(line, items.length));
    }
  } catch (error) {
    throw new StatesError('States.ItemReaderFailed', `${key} could not be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (items.length === 0) throw new StatesError('States.ItemReaderFailed', `${key} holds no items`);
  return items;
}

function itemOf(line: string, index: number): Json {
  try {
    return toJson(parseJson(line));
  } catch {
    throw new SyntaxError(`item ${index} is not JSON`);
  }
}

async function* linesOf(bytes: AsyncIterable<Uint8Array>): AsyncIterable<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let rest = '';
  for await (const piece of bytes) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line.trim() !== '') yield bounded(line);
    bounded(rest);
  }
  rest += decoder.decode();
  if (rest.trim() !== '') yield bounded(rest);
}

function bounded(line: string): string {
  if (line.length > PAYLOAD_MAX_BYTES) throw new RangeError(`a line has more than ${PAYLOAD_MAX_BYTES} characters`);
  return line;
}
