// The code of jsmn, as json.h declares it.
#define JSMN_PARENT_LINKS
#define JSMN_STRICT
#include <jsmn.h>
