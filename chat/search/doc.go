// Package search is how texts are found: what their words are (Tokens), what a query asks for (Parse), whether a text has
// it and where (Query.Matches, Query.Marks), and what of the text is shown (Excerpt).
//
// It knows no index and no store. An index gets the words that Tokens gives and may answer with too much, which Matches
// then sorts out: so what is found is the same in every store. It imports nothing of ours.
//
// A word is what stands between spaces and punctuation, without case, accents and vowel points. Where scripts have no
// spaces between words (Chinese, Japanese, Thai, …), and in Korean, whose words grow endings, each pair of neighbouring
// characters is a word, and a query finds any part of the text.
package search
