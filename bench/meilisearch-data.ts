/** Documents of some 1 kB, as the anchors were measured with. */

const WORDS = ['harbour', 'lantern', 'meadow', 'granite', 'thunder', 'velvet', 'compass', 'orchard', 'saffron', 'glacier'];

const sentence = (n: number, length: number): string =>
  Array.from({ length }, (_, at) => WORDS[(n * 7 + at * at * 13 + ((n >> 3) % 11)) % WORDS.length]).join(' ');

export const documentLine = (n: number): string =>
  `{"id":${n},"title":"${sentence(n, 6)} ${n}","year":${1900 + (n % 120)},"rating":${n % 100}.0,"tags":["${WORDS[n % 10]}","${WORDS[(n + 3) % 10]}"],"overview":"${sentence(n + 1, 100)} ${noise(n)}"}`;

/** Text that does not shrink to nothing: what is compressed here is to cost what it costs elsewhere. */
const noise = (n: number): string => {
  let state = n * 2654435761;
  return Array.from({ length: 16 }, () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    return state.toString(36);
  }).join(' ');
};
