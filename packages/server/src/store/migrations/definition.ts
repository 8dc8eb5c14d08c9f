/**
 * A statement that creates or alters a table, in the column types of SQLite; two where the dialects need different ones.
 * A word that some dialect reserves is quoted.
 */
export type Definition = string | { readonly sqlite: string; readonly postgres: string };
