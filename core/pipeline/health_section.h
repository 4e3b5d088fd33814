/* The section `health:`, where a run is seen from outside: its address, and who is shown what. */
#ifndef HEALTH_SECTION_H
#define HEALTH_SECTION_H

#include "pipeline/pipeline.h"

#define HEALTH_TOKEN_MAX 512 /* bytes */

/* Reads it into the pipeline's health_settings. False, with an error at each mistake. */
bool health_section_load(struct pipeline *pipeline);

/* Whether the address is served by HTTPS, and whether anybody may be shown what is customers' own. */
static inline bool health_section_has_tls(const struct health_settings *settings)
{
    return settings->cert_file != NULL && *settings->cert_file != '\0';
}

static inline bool health_section_has_token(const struct health_settings *settings)
{
    return settings->token != NULL && *settings->token != '\0';
}

#endif
