/**
 * The one form in which users' names are stored, looked up and counted: who types one in capitals, with
 * blanks around it, or with accents apart, means the same user.
 * @param {string} typed
 */
export function foldedName(typed) {
  return typed.trim().toLowerCase().normalize("NFC");
}
