# "Client Credentials Grant": the request with a shared secret, the error, and the refresh token, as shell lines.

walk() {
    # POST /oAuth/rest/v2/Token; "The client secret must be URL-encoded before being sent."
    step 200 '"refresh_token": ?"[^"]+"' \
        curl "$TOKEN_URL" -d "client_id=$CLIENT_ID" -d "scope=$SCOPE" --data-urlencode "client_secret=$CLIENT_SECRET" -d grant_type=client_credentials
    TOKEN=$(field access_token)
    REFRESH=$(field refresh_token)
    # The same address as the document has it: the host is the platform's own.
    step 200 '"token_type": ?"Bearer"' \
        curl "$ORIGIN/oAuth/rest/v2/Token" -H "Host: $TENANT_HOST" \
        -d "client_id=$CLIENT_ID" --data-urlencode "client_secret=$CLIENT_SECRET" -d grant_type=client_credentials
    # "The Basic auth pattern … is also supported"; curl sends what it is given, so only where nothing needs encoding.
    case $CLIENT_SECRET in
        *[!A-Za-z0-9_.~-]*) ;;
        *) step 200 '"token_type": ?"Bearer"' curl "$TOKEN_URL" -u "$CLIENT_ID:$CLIENT_SECRET" -d grant_type=client_credentials ;;
    esac
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
    # "An error response (400 Bad Request)": its sentence, and the list with the same sentence.
    for part in '"error_description": ?"Client authentication failed\."' '"Errors": ?\[ *"Client authentication failed\." *\]'; do
        step 400 "$part" \
            curl "$TOKEN_URL" -d "client_id=$CLIENT_ID" --data-urlencode "client_secret=not-$CLIENT_SECRET" -d grant_type=client_credentials
    done
}
