/**
 * Checks that the pages are written in plain English: common words and short sentences.
 * `tests/chinese.test.mjs` has the rules for Chinese pages.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isChinese, pages, proseOf, read, sentencesOf } from "./harness/pages.mjs";

/** Words that our pages once used with a private meaning, and idioms that are hard for learners of English. */
const PRIVATE =
  /\b(?:told|heed(?:s|ed)?|stands|alike|thrice|whoever|somebody|rubbish|anew|beside a request)\b/gi;

/** Maximum number of words in a sentence. The aim is 25; what is code counts as one word. */
const MAX_WORDS = 30;

for (const page of pages().filter((name) => !isChinese(name))) {
  const text = proseOf(read(page));

  test(`${page} uses common words`, () => {
    assert.deepEqual(
      Array.from(text.matchAll(PRIVATE), ([word]) => word),
      [],
    );
  });

  test(`${page} has no sentence of more than ${MAX_WORDS} words`, () => {
    assert.deepEqual(
      sentencesOf(text).filter((sentence) => wordsOf(sentence) > MAX_WORDS),
      [],
    );
  });
}

test("the checks find a private word and a long sentence", () => {
  assert.deepEqual(proseOf('It is told. `told` and "told" are not.').match(PRIVATE), ["told"]);
  const long = `${"word ".repeat(MAX_WORDS + 1)}.`;
  assert.equal(
    sentencesOf(`A short one. ${long}`).filter((one) => wordsOf(one) > MAX_WORDS).length,
    1,
  );
});

/** @param {string} sentence */
function wordsOf(sentence) {
  return sentence.match(/[\p{L}\p{N}][\p{L}\p{N}'’-]*/gu)?.length ?? 0;
}
