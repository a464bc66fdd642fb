package chatclient_test

import (
	"flag"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chatd-dev/chatd/api"
)

// folded are, for the test of each fold, the methods that are acts of it.
var folded = map[string][]string{
	"TestMessagesFoldIsFresh": {
		api.MethodMessagePost, api.MethodMessageEdit, api.MethodMessageDelete, api.MethodReactionAdd, api.MethodReactionRemove, api.MethodPinAdd, api.MethodPinRemove,
		api.MethodMemberBan, api.MethodMemberUnban, api.MethodRoomJoin, api.MethodRetentionSet, api.MethodPurgeStart,
		api.MethodRoomDelete, api.MethodImportBegin, api.MethodImportWrite, api.MethodImportFinish,
	},
	"TestReadsFoldIsFresh": {
		api.MethodMessagePost, api.MethodMessageEdit, api.MethodMessageDelete, api.MethodReadMark, api.MethodRoomJoin, api.MethodRoomLeave, api.MethodMemberRemove, api.MethodMemberBan,
		api.MethodMemberUnban, api.MethodRoomArchive, api.MethodRoomUnarchive, api.MethodRetentionSet, api.MethodPurgeStart,
		api.MethodRoomDelete, api.MethodImportBegin, api.MethodImportWrite, api.MethodImportFinish,
	},
	"TestThreadsFoldIsFresh": {
		api.MethodMessagePost, api.MethodMessageEdit, api.MethodMessageDelete, api.MethodThreadFollow, api.MethodThreadUnfollow, api.MethodReadMark, api.MethodRoomJoin, api.MethodRoomLeave,
		api.MethodMemberRemove, api.MethodMemberBan, api.MethodMemberUnban, api.MethodRoomArchive, api.MethodRoomUnarchive, api.MethodRetentionSet, api.MethodPurgeStart,
		api.MethodRoomDelete, api.MethodImportBegin, api.MethodImportWrite, api.MethodImportFinish,
	},
	"TestRoomFoldIsFresh": {
		api.MethodRoomJoin, api.MethodRoomLeave, api.MethodInviteCreate, api.MethodMemberInvite, api.MethodMemberRemove, api.MethodMemberBan, api.MethodMemberUnban, api.MethodMemberSetRole,
		api.MethodMemberMute, api.MethodMemberUnmute, api.MethodRoomUpdate, api.MethodRoomArchive, api.MethodRoomUnarchive, api.MethodRoomDelete, api.MethodMessagePost,
		api.MethodRetentionSet, api.MethodPurgeStart, api.MethodAuthRegister, api.MethodAuthLogin, api.MethodAccountUpdate, api.MethodAccountDelete, api.MethodUserSuspend, api.MethodUserRestore,
		api.MethodBotCreate, api.MethodBotUpdate, api.MethodBotDelete,
	},
	"TestRoomsFoldIsFresh": {
		api.MethodRoomCreate, api.MethodDmOpen, api.MethodRoomJoin, api.MethodRoomLeave, api.MethodInviteCreate, api.MethodMemberInvite, api.MethodMemberRemove, api.MethodMemberBan,
		api.MethodMemberUnban, api.MethodMemberSetRole, api.MethodRoomUpdate, api.MethodRoomArchive, api.MethodRoomUnarchive, api.MethodRoomDelete, api.MethodMessagePost,
		api.MethodRetentionSet, api.MethodPurgeStart, api.MethodAuthRegister, api.MethodAuthLogin, api.MethodAccountDelete, api.MethodUserSuspend, api.MethodUserRestore,
		api.MethodBotCreate, api.MethodBotDelete, api.MethodImportBegin, api.MethodImportWrite, api.MethodImportFinish,
	},
	"TestPresencesFoldIsFresh": {
		api.MethodPresenceSet, api.MethodTypingSet, api.MethodMessagePost, api.MethodRoomJoin, api.MethodRoomLeave, api.MethodMemberInvite, api.MethodMemberRemove, api.MethodMemberBan,
		api.MethodMemberUnban, api.MethodAuthLogin, api.MethodUserSuspend, api.MethodUserRestore, api.MethodAccountDelete,
	},
	"TestUsersFoldIsFresh": {
		api.MethodAccountUpdate, api.MethodAccountDelete, api.MethodBotCreate, api.MethodBotUpdate, api.MethodBotDelete, api.MethodRoomJoin, api.MethodRoomLeave, api.MethodMemberInvite,
		api.MethodMemberRemove, api.MethodMemberBan, api.MethodMemberUnban, api.MethodMemberSetRole, api.MethodUserSuspend, api.MethodUserRestore, api.MethodAuthLogin,
		api.MethodUserSetAdmin,
	},
	"TestSessionsFoldIsFresh": {
		api.MethodAuthLogin, api.MethodAuthResume, api.MethodAuthLogout, api.MethodSessionRevoke, api.MethodAccountSetPassword, api.MethodUserSetPassword, api.MethodUserSuspend, api.MethodUserRestore,
	},
}

// unfolded are the methods that change something, but nothing that a client keeps from events, and why.
var unfolded = map[string]string{
	api.MethodUserCreate:   "an account that is in no room yet: it comes into one as one of auth.register does",
	api.MethodTokenCreate:  "a token, of which no event tells: token.list is asked again",
	api.MethodTokenRevoke:  "likewise; its connections are told when they are closed",
	api.MethodInviteRevoke: "an invitation, of which no event tells: invite.list is asked again; what one does is an act by room.join",
	api.MethodImportAbort:  "takes back what nobody has seen",
	api.MethodJobCancel:    "stops a purge: what it has removed by then is as of one that has ended",
	api.MethodSyncOpen:     "what a connection follows, which no client fetches",
	api.MethodSyncUpdate:   "likewise",
	api.MethodSyncClose:    "likewise",
}

// reading are the methods that change nothing.
var reading = []string{
	api.MethodRPCDiscover, api.MethodServerInfo, api.MethodServerPing, api.MethodServerStats, api.MethodAccountGet, api.MethodAccountExport, api.MethodSessionList, api.MethodUserGet, api.MethodUserList,
	api.MethodTokenList, api.MethodBotList, api.MethodPermissionExplain, api.MethodAuditList, api.MethodInviteList, api.MethodRoomGet, api.MethodRoomList, api.MethodExportRead, api.MethodImportCheck,
	api.MethodImportList, api.MethodRoomHistory, api.MethodMemberList, api.MethodMemberListBans, api.MethodMessageList, api.MethodMessageGet, api.MethodMessageSearch, api.MethodThreadList, api.MethodThreadGet,
	api.MethodPinList, api.MethodPresenceGet, api.MethodRetentionGet, api.MethodJobGet, api.MethodJobList,
}

// Each method that changes something is an act in the test of a fold, or it is said why it cannot be one.
func TestFoldsMeetEachMethod(t *testing.T) {
	for _, m := range api.Methods {
		is := 0
		for _, acts := range folded {
			if slices.Contains(acts, m.Name) {
				is = 1
			}
		}
		if unfolded[m.Name] != "" {
			is++
		}
		if slices.Contains(reading, m.Name) {
			is++
		}
		if is != 1 {
			t.Errorf("%s: it is folded, or it is said why not, or it changes nothing: %d of these", m.Name, is)
		}
	}
}

// check holds what was done in a test against what it says that it does.
func (d deeds) check(t *testing.T) {
	t.Helper()
	n, err := strconv.Atoi(flag.Lookup("rapid.checks").Value.String())
	if t.Failed() || testing.Short() || err != nil || n < 100 {
		return // too few to meet all
	}
	top, _, _ := strings.Cut(t.Name(), "/")
	want := folded[top]
	t.Log(d)
	for _, method := range want {
		if d[method] == 0 {
			t.Errorf("%s did not succeed once", method)
		}
	}
	for _, method := range slices.Sorted(maps.Keys(d)) {
		if !slices.Contains(want, method) {
			t.Errorf("%s was done, and folded does not say so", method)
		}
	}
}
