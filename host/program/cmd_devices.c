/* cmd_devices.c - cfp-gpu devices: which devices can be used here, and why others cannot. */
#include <stdio.h>
#include "../cfp.h"
#include "commands.h"

static cfp_status print_json(cfp_session *session)
{
    cfp_json json;
    cfp_device_facts device;
    const cfp_device_settings settings = {.module_dir = CFP_MODULE_DIR,
                                          .lanes = cfp_lanes_wanted()};
    cfp_session_json(&json, session);
    cfp_json_object(&json);
    cfp_json_key(&json, "devices");
    cfp_json_array(&json);
    for (int i = 0; cfp_describe_device(&device, i, &settings); i++) {
        cfp_json_object(&json);
        cfp_json_put_string(&json, "name", device.name);
        cfp_json_put_bool(&json, "ready", device.ready);
        cfp_json_put_string(&json, "detail", device.detail);
        cfp_json_object_end(&json);
    }
    cfp_json_array_end(&json);
    cfp_json_object_end(&json);
    return cfp_session_json_close(&json);
}

cfp_status cfp_cmd_devices(cfp_session *session)
{
    cfp_device_facts device;
    const cfp_device_settings settings = {.module_dir = CFP_MODULE_DIR,
                                          .lanes = cfp_lanes_wanted()};
    if (session->config.json)
        return print_json(session);
    for (int i = 0; cfp_describe_device(&device, i, &settings); i++) {
        printf("%-6s %-6s ", device.name, device.ready ? "ready" : "no");
        cfp_print_text(stdout, device.detail, 0);
        printf("\n");
    }
    return CFP_OK;
}
