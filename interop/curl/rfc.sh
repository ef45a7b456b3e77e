# RFC 6749 §4.4.2 and §2.3.1: the form, and the credentials in the header or in the form.

walk() {
    step 200 '"token_type": ?"Bearer"' \
        curl "$TOKEN_URL" -u "$CLIENT_ID:$CLIENT_SECRET" -d grant_type=client_credentials -d "scope=$SCOPE"
    TOKEN=$(field access_token)
    step 200 '"data"' \
        curl "$API_URL" -H "Authorization: Bearer $TOKEN"
    step 200 '"expires_in": ?3600' \
        curl "$TOKEN_URL" -d grant_type=client_credentials -d "client_id=$CLIENT_ID" -d "client_secret=$CLIENT_SECRET"
    step 200 '"token_endpoint"' \
        curl "$METADATA_URL"
}

wrong() {
    step 401 '"error": ?"invalid_client"' \
        curl "$TOKEN_URL" -u "$CLIENT_ID:not-$CLIENT_SECRET" -d grant_type=client_credentials
}
