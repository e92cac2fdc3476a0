/** The rows of one table in an artifact whose text values hold no quotes: enough for tests that add up numbers. */
export const parseScript = (script: Buffer, table: string): string[][] => {
  const rows: string[][] = [];
  let inTable = false;
  for (const line of script.toString('utf8').split('\n')) {
    if (line.startsWith('INSERT INTO ')) inTable = line.startsWith(`INSERT INTO \`${table}\` `);
    else if (inTable && line.startsWith('(')) rows.push(line.slice(1, line.lastIndexOf(')')).split(','));
    else inTable = false;
  }
  return rows;
};
