package api

import "protei-bulk/bulk/user"

func userOperations() map[string]operation {
	wrongSession := []string{"unauthorized", "session_ended", "account_disabled", "forbidden", "csrf"}
	roles := enum{}
	for _, r := range user.Roles() {
		roles = append(roles, string(r))
	}
	body := shape{"name": "", "role": roles, "account_id?": uint32(0), "password?": "", "disabled?": false}
	changed := shape{"role?": roles, "account_id?": uint32(0), "disabled?": false, "two_factor?": false}
	return map[string]operation{
		"POST /session": {
			id: "signIn", summary: "Sign in to the console; the answer sets a cookie that takes the place of an API key",
			body: shape{"user": "", "password": "", "code?": ""}, answer: sessionView{},
			codes:   []string{"sign_in_refused", "code_needed", "too_many_sign_ins", "overloaded", "csrf"},
			example: `{"user":"ann","password":"correct horse battery"}`,
		},
		"GET /session":    {id: "getSession", summary: "Who is signed in", answer: sessionView{}, codes: wrongSession},
		"DELETE /session": {id: "signOut", summary: "Sign out", status: 204, codes: wrongSession},
		"POST /session/password": {
			id: "changeOwnPassword", summary: "Change the password of who is signed in; other sessions end", body: shape{"current_password": "", "password": ""},
			answer: sessionView{}, codes: []string{"too_many_sign_ins"}, example: `{"current_password":"correct horse battery","password":"another long password"}`,
		},
		"POST /session/totp": {
			id: "offerTOTP", summary: "Make a secret for an authenticator; PUT makes it the second factor", answer: shape{"secret": "", "url": "", "qr": user.QR{}},
		},
		"PUT /session/totp": {
			id: "confirmTOTP", summary: "Switch the second factor on", body: shape{"secret": "", "code": "", "password": ""}, answer: sessionView{},
			codes: []string{"too_many_sign_ins"}, example: `{"secret":"JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP","code":"123456","password":"correct horse battery"}`,
		},
		"DELETE /session/totp": {
			id: "dropTOTP", summary: "Switch the second factor off", body: shape{"password": ""}, answer: sessionView{}, codes: []string{"too_many_sign_ins"},
			example: `{"password":"correct horse battery"}`,
		},
		"GET /users": {id: "listUsers", summary: "People who may sign in to the console", answer: shape{"users": []userView{}}},
		"POST /users": {
			id: "createUser", summary: "Make a user; a random password is shown once", body: body, status: 201, answer: userView{}, codes: []string{"conflict"},
			example: `{"name":"ann","role":"operator"}`,
		},
		"GET /users/{name}": {id: "getUser", summary: "A user", answer: userView{}},
		"PATCH /users/{name}": {
			id: "updateUser", summary: "Change the members that are given; two_factor false takes a lost second factor away", body: changed, answer: userView{},
			codes: []string{"conflict"}, example: `{"disabled":true}`,
		},
		"DELETE /users/{name}": {id: "deleteUser", summary: "Delete a user", status: 204, codes: []string{"conflict"}},
		"POST /users/{name}/password": {
			id: "setUserPassword", summary: "Set a password that has to be changed; a random one without a body", body: shape{"password?": ""}, optional: true,
			answer: userView{},
		},
	}
}
