package month

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// writer says things.
type writer struct{ rng *rand.Rand }

// phrases are in the scripts of the team.
var phrases = []string{
	"the build is green again", "who has the release notes?", "lunch at half past twelve", "could you review this, please", "merged", "rolled back, see the thread",
	"der Server läuft wieder, die Platte war voll", "kann jemand auf die Größe schauen?", "le déploiement est terminé", "¿quién está de guardia?", "сборка упала, смотрю логи", "Καλημέρα, όλα καλά;",
	"هل انتهى الاختبار؟", "הבדיקות עוברות", "परीक्षण पूरा हुआ", "テストが通りました", "サーバーを再起動します", "部署完成了", "请看一下日志", "배포를 시작합니다", "ทดสอบเสร็จแล้ว",
	"🎉🎉 shipped", "👩‍💻 on it", "see https://example.org/docs?page=3#top", "a < b && c > d \"quoted\" \\ back", "tabs\tand\nnewlines", "`code with @nobody` and **bold**",
}

// Rare are words that are said now and then, so that they can be looked for.
var Rare = []string{"quokka", "axolotl", "wombat", "narwhal", "pangolin", "okapi", "tarsier", "capybara", "platypus", "kinkajou"}

// say is something to say.
func (w *writer) say() string {
	parts := make([]string, 1+w.rng.IntN(4))
	for i := range parts {
		parts[i] = phrases[w.rng.IntN(len(phrases))]
	}
	if w.rng.IntN(100) == 0 {
		parts = append(parts, Rare[w.rng.IntN(len(Rare))])
	}
	if w.rng.IntN(200) == 0 {
		parts = append(parts, strings.Repeat("a long report, with all its figures; ", 50))
	}
	return strings.Join(parts, " ")
}

func (w *writer) name(username string) string {
	return []string{"Dr. " + username, username + " 王", "Ολγα " + username, username + " Müller"}[w.rng.IntN(4)]
}

func (w *writer) topic() string { return phrases[w.rng.IntN(20)] }

// report is what a program says in data.
func (w *writer) report() string {
	return fmt.Sprintf(`{"build":%d,"ok":%t,"steps":["vet","test"],"note":%q}`, w.rng.IntN(10_000), w.rng.IntN(5) > 0, "größer")
}

var emoji = []string{"👍", "🎉", "❤️", "😂", "👀", "🚀", ":shipit:", "👩‍💻"}

func (w *writer) emoji() string { return emoji[w.rng.IntN(len(emoji))] }
