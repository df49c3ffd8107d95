// Included before everything else when rebuild.mjs compiles better-sqlite3. The node_object_wrap.h of Node.js 24.19 and later 24.x gives
// each wrapped object an environment cleanup hook, and aborts the process when such an object is collected while no JavaScript runs
// (https://github.com/nodejs/node/issues/65446). Without hooks of its own ObjectWrap is what it was in every Node.js before that.
// The hook that better-sqlite3 sets itself, to close its databases at the end, comes later and is left alone.
#include <node.h>

namespace node {
inline void NoCleanupHook(v8::Isolate*, void (*)(void*), void*) {}
}  // namespace node

#define AddEnvironmentCleanupHook NoCleanupHook
#define RemoveEnvironmentCleanupHook NoCleanupHook
#include <node_object_wrap.h>
#undef AddEnvironmentCleanupHook
#undef RemoveEnvironmentCleanupHook
