/** The index that marks a restore which has not ended, and a scratch instance; it is never backed up. */
export const MARKER_INDEX = 'lifeboat-restore';
/** The one document in it. */
export const MARKER_ID = 'restore';
