import { z } from 'zod';
import { type Catalogue, countOf, entityTables, has, hasTextId } from './tables.ts';

/** Entity types whose table is not named after them. */
const TABLES: Readonly<Record<string, string>> = {
  databaseService: 'dbservice_entity',
  container: 'storage_container_entity',
  mlmodel: 'ml_model_entity',
  mlmodelService: 'mlmodel_service_entity',
  eventsubscription: 'event_subscription_entity',
  dataInsightChart: 'di_chart_entity',
  workflow: 'automations_workflow',
  app: 'installed_apps',
  appMarketPlaceDefinition: 'apps_marketplace',
  dashboardDataModel: 'dashboard_data_model_entity',
  webAnalyticEvent: 'web_analytic_event',
  THREAD: 'thread_entity',
};

const Side = z.object({ type: z.string() });

/** `databaseSchema` is database_schema_entity, `testCase` is test_case; undefined for types that have no table here. */
export function tableOfType(type: string, { columns }: Pick<Catalogue, 'columns'>): string | undefined {
  const snake = type.replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2').toLowerCase();
  return [TABLES[type], `${snake}_entity`, snake].find((name) => name !== undefined && hasTextId(columns.get(name)));
}

/** Relationships that begin or end at an entity that is not there, by the entity's type. The database does not forbid them. */
export async function danglingRelationships(catalogue: Catalogue): Promise<string> {
  const found: string[] = [];
  for (const [entity, id] of [
    ['fromEntity', 'fromId'],
    ['toEntity', 'toId'],
  ] as const) {
    const relationships = catalogue.table('entity_relationship');
    const types = (await catalogue.query(`SELECT DISTINCT ${entity} AS type FROM ${relationships}`))
      .map((row) => Side.parse(row).type)
      .sort();
    for (const type of types) {
      const table = tableOfType(type, catalogue);
      // Types without a table of their own have no id that could be looked up.
      if (table === undefined) continue;
      const missing = await countOf(
        catalogue,
        `SELECT count(*) AS n FROM ${relationships} r
          WHERE r.${entity} = '${type.replaceAll("'", "''")}' AND NOT EXISTS (SELECT 1 FROM ${catalogue.table(table)} e WHERE e.id = r.${id})`,
      );
      if (missing > 0n) found.push(`${entity === 'fromEntity' ? 'from' : 'to'} ${type}: ${missing}`);
    }
  }
  return found.length === 0 ? '0' : found.join(', ');
}

/** Tag labels whose tag (source 0) or glossary term (source 1) is not there. */
export async function danglingTags(catalogue: Catalogue): Promise<string> {
  let missing = 0n;
  for (const [source, table] of [
    [0, 'tag'],
    [1, 'glossary_term_entity'],
  ] as const) {
    if (!has(catalogue, table, 'fqnhash') || !has(catalogue, 'tag_usage', 'tagfqnhash')) continue;
    missing += await countOf(
      catalogue,
      `SELECT count(*) AS n FROM ${catalogue.table('tag_usage')} u
        WHERE u.source = ${source} AND NOT EXISTS (SELECT 1 FROM ${catalogue.table(table)} t WHERE t.fqnHash = u.tagFQNHash)`,
    );
  }
  return String(missing);
}

/** Extensions (versions, custom properties) of entities that are not there. */
export async function danglingExtensions(catalogue: Catalogue): Promise<string> {
  const entities = entityTables(catalogue);
  if (!has(catalogue, 'entity_extension', 'id') || entities.length === 0) return '0';
  const owners = entities.map((name) => `NOT EXISTS (SELECT 1 FROM ${catalogue.table(name)} e WHERE e.id = x.id)`).join(' AND ');
  return String(await countOf(catalogue, `SELECT count(*) AS n FROM ${catalogue.table('entity_extension')} x WHERE ${owners}`));
}
