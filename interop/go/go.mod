// Test code: Go's OAuth client against the built binary.
module jeton.example/interop

go 1.26.0

require golang.org/x/oauth2 v0.37.0
