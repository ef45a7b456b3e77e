# "OAuth 2.0 Client Credentials Authentication Code Flow", as shell lines.

walk() {
    # "Use an HTTP GET … to fetch the configuration data. Save the token_endpoint".
    step 200 '"token_endpoint"' \
        curl "$METADATA_URL"
    TOKEN_ENDPOINT=$(field token_endpoint)
    # "Authorization: Basic {encoded-credentials}", and the example's form line as it is printed, with its raw space and slashes.
    ENCODED_CREDENTIALS=$(printf '%s' "$CLIENT_ID:$CLIENT_SECRET" | base64 | tr -d '\n')
    step 200 '"token_type": ?"Bearer"' \
        curl "$TOKEN_ENDPOINT" -H "Authorization: Basic $ENCODED_CREDENTIALS" -H 'Content-Type: application/x-www-form-urlencoded' \
        -d "client_id=${CLIENT_ID}&client_secret=${CLIENT_SECRET}&scope=banking/read banking/write&grant_type=client_credentials"
    TOKEN=$(field access_token)
    TOKEN_TYPE=$(field token_type)
    # "The client combines token_type and access_token to form the Authorization header".
    step 200 '"items"' \
        curl "$API_URL" -H "Authorization: $TOKEN_TYPE $TOKEN"
    step 200 '"state"' \
        curl -X POST "$API_URL" -H "Authorization: $TOKEN_TYPE $TOKEN"
    # "This scope must be passed".
    step 400 '"error": ?"invalid_scope"' \
        curl "$TOKEN_ENDPOINT" -u "$CLIENT_ID:$CLIENT_SECRET" \
        -d "client_id=${CLIENT_ID}&client_secret=${CLIENT_SECRET}&grant_type=client_credentials"
}

wrong() {
    step 401 '"error": ?"invalid_client"' \
        curl "$TOKEN_URL" -u "$CLIENT_ID:not-$CLIENT_SECRET" \
        -d "client_id=${CLIENT_ID}&client_secret=not-${CLIENT_SECRET}&scope=banking/read&grant_type=client_credentials"
}
