package dynamodb

import (
	_ "embed"
	"strings"
)

// reservedText lists the words that may not stand as attribute names in expressions.
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ReservedWords.html
//
//go:embed reserved.txt
var reservedText string

var reservedWords = func() map[string]bool {
	words := map[string]bool{}
	for word := range strings.FieldsSeq(reservedText) {
		words[word] = true
	}
	return words
}()

func isReserved(name string) bool { return reservedWords[strings.ToUpper(name)] }
