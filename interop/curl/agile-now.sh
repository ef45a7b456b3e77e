# "Client Credentials Grant": the request with a shared secret, the error, and the refresh token, as shell lines.

walk() {
    # POST /oAuth/rest/v2/Token; "The client secret must be URL-encoded before being sent."
    step 200 '"refresh_token": ?"[^"]+"' \
        curl "$TOKEN_URL" -d "client_id=$CLIENT_ID" -d "scope=$SCOPE" --data-urlencode "client_secret=$CLIENT_SECRET" -d grant_type=client_credentials
    TOKEN=$(field access_token)
    REFRESH=$(field refresh_token)
    # "use the token to make requests to the resource"
    step 200 '"users"' \
        curl "$API_URL" -H "Authorization: Bearer $TOKEN"
    # "scope … Optional", and "* - gives users all her/his scopes"
    step 200 '"expires_in": ?3599' \
        curl "$TOKEN_URL" -d "client_id=$CLIENT_ID" --data-urlencode "client_secret=$CLIENT_SECRET" -d grant_type=client_credentials -d 'scope=*'
    TOKEN=$(field access_token)
    step 200 '"users"' \
        curl "$API_URL" -H "Authorization: Bearer $TOKEN"
    # The refresh token is good for its grant.
    step 200 '"access_token"' \
        curl "$TOKEN_URL" -d "client_id=$CLIENT_ID" --data-urlencode "client_secret=$CLIENT_SECRET" -d grant_type=refresh_token -d "refresh_token=$REFRESH"
}

wrong() {
    # "An error response (400 Bad Request)"
    step 400 '"error_description": ?"Client authentication failed\.".*"Errors": ?\[ *"Client authentication failed\." *\]' \
        curl "$TOKEN_URL" -d "client_id=$CLIENT_ID" --data-urlencode "client_secret=not-$CLIENT_SECRET" -d grant_type=client_credentials
}
