export interface SchemaViolation {
  /** 1-based. */
  readonly line: number;
  /** 1-based, where known. */
  readonly column?: number;
  /** Local name of the element at fault, where known. */
  readonly element?: string;
  /** What is wrong and what was expected, in plain words. */
  readonly message: string;
}

/** TODO */
export function schemaViolations(_namespace: string, _text: string): SchemaViolation[] {
  return [];
}
