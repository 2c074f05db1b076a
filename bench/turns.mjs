/** A typical conversation of a chat server: 24 different messages of ordinary English. */

const SAID = [
  "Our support team wants a chat on the pricing page by the end of the month. Where do we begin?",
  "Begin with what visitors ask today. If you can export the last few hundred e-mails, sort them by topic first; most teams find that six or seven topics cover four fifths of everything.",
  "We have about nine hundred. Two people sorted them last week and ended up with eleven groups.",
  "Eleven is fine. Pick the three that take your people the most time rather than the three that come most often, and write down what a good answer to each would have to contain.",
  "Refunds, moving a licence to another machine, and invoices with the wrong address on them.",
  "Refunds need a human decision, so let the chat collect the order number and hand over. Moving a licence can be done end to end. For invoices it should offer the form and explain which fields may still be changed after the books are closed.",
  "How would it know who is asking? We cannot let just anybody move a licence.",
  "Let people sign in before anything that changes an account, and keep answering general questions without it. The sign-in you have for the shop will do; the chat server is told who it is and needs no passwords of its own.",
  "The shop uses Keycloak. Does the token end up in the browser then?",
  "It does not have to. It can stay at the edge, with the session, and only your own servers get to see it. The browser holds nothing but a cookie that cannot be read by scripts.",
  "Good, because our auditors complained about local storage last spring. What happens when we restart the server during the day?",
  "Open connections drop and come back within a second or two. Whatever the server had put into the session is handed to the next process, so the conversation goes on; what lived only in memory is gone, and that is worth checking before you go live.",
  "We keep the last ten messages in memory. Is that a problem?",
  "Only if losing them would confuse somebody. A short summary in the session is usually enough: a few sentences, rewritten after each turn, that tell the next process what it is about.",
  "Who writes the summary, the model?",
  "Yes, a small one is good enough and takes a fraction of a cent. Ask for at most a hundred words, forbid names and card numbers, and keep the instruction in version control so that you can tell later why it said what it said.",
  "How many people can talk to it at once? On Mondays we see about four hundred within the first hour.",
  "Four hundred conversations are perhaps forty that wait for an answer at the same moment. Two processes carry that easily; run three, so that one can be replaced without anybody noticing.",
  "And the costs? Finance wants a figure, not a range.",
  "Then measure a week with real visitors behind a small button, a tenth of the traffic, and multiply. Everything computed beforehand depends on how long people write, and nobody guesses that well.",
  "Can we switch it off quickly if it says something embarrassing?",
  "Switch the button off in the page, and new conversations stop at once. Those that are open can be ended from the console, one by one or all together; they see a short notice with your telephone number.",
  "Last question: German and English are a must, and Polish would be nice.",
  "All three work without any change. Have somebody who speaks Polish read fifty answers before you announce it, because polite forms go wrong more often than facts do.",
];

export const CHAT = SAID.map((content, at) => ({ role: at % 2 ? "assistant" : "user", content }));
