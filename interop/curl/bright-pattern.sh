# "Request Access Token": the two HTTP examples, as shell lines. `Host: example.com` chooses the tenant.

walk() {
    # POST /configapi/v2/oauth/token HTTP/1.1, Host: example.com
    step 200 '"expires_in": ?"3599"' \
        curl "$ORIGIN/configapi/v2/oauth/token" -H 'Host: example.com' -H 'Content-Type: application/x-www-form-urlencoded' \
        -d "grant_type=client_credentials&client_id=$CLIENT_ID&client_secret=$CLIENT_SECRET&scope=example.com"
    TOKEN=$(field access_token)
    # GET /data HTTP/1.1, Host: example.com, Authorization: Bearer …
    step 200 '"data"' \
        curl "$ORIGIN/data" -H 'Host: example.com' -H "Authorization: Bearer $TOKEN"
    # "The tenant or host URL"
    step 200 '"access_token"' \
        curl "$TOKEN_URL" -d grant_type=client_credentials -d "client_id=$CLIENT_ID" -d "client_secret=$CLIENT_SECRET" -d scope=https://example.com/
    # Another tenant.
    step 401 '"error"' \
        curl "$TOKEN_URL" -d grant_type=client_credentials -d "client_id=$CLIENT_ID" -d "client_secret=$CLIENT_SECRET" -d scope=example.org
    # All four parameters are required.
    step 400 '"error"' \
        curl "$TOKEN_URL" -d grant_type=client_credentials -d "client_id=$CLIENT_ID" -d "client_secret=$CLIENT_SECRET"
}

wrong() {
    step 401 '"error": ?"invalid_client"' \
        curl "$TOKEN_URL" -d grant_type=client_credentials -d "client_id=$CLIENT_ID" -d "client_secret=not-$CLIENT_SECRET" -d scope=example.com
}
