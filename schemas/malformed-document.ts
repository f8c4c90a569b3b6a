/** A body is not a document of the format that it was read as; the message is a phrase for people. */
export class MalformedDocument extends Error {
  override name = 'MalformedDocument';
}
