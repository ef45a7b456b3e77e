# "Consume an API using Postman client", steps 1 to 9, as shell lines.

walk() {
    # Steps 1 to 7: "Send the client credentials in the body."
    step 200 "\"scope\": ?\"$SCOPE\"" \
        curl "$TOKEN_URL" -d grant_type=client_credentials -d "client_id=$CLIENT_ID" -d "client_secret=$CLIENT_SECRET" -d "scope=$SCOPE"
    TOKEN=$(field access_token)
    # Steps 8 and 9: "apiKey" and "Authorization" as headers, call the API.
    step 200 '"batch"' \
        curl "$API_URL" -H "apiKey: $API_KEY" -H "Authorization: Bearer $TOKEN"
    # "Every call to the APIs requires an API Key."
    step 401 'apiKey' \
        curl "$API_URL" -H "Authorization: Bearer $TOKEN"
    # The portal's own walk sends the header.
    step 200 '"expires_in": ?3600' \
        curl "$TOKEN_URL" -u "$CLIENT_ID:$CLIENT_SECRET" -d grant_type=client_credentials -d "scope=$SCOPE"
    # "IdP Metadata Document"
    step 200 '"token_endpoint"' \
        curl "$METADATA_URL"
}

wrong() {
    step 401 '"error": ?"invalid_client"' \
        curl "$TOKEN_URL" -d grant_type=client_credentials -d "client_id=$CLIENT_ID" -d "client_secret=not-$CLIENT_SECRET" -d "scope=$SCOPE"
}
