//! Names that LiteLLM knows and that have no effect here yet, section by section.

/// Whether LiteLLM knows `name` in a section (a path without indices).
pub(in crate::config) fn is_foreign(section: &str, name: &str) -> bool {
    let known = match section {
        "" => TOP,
        "model_list[].litellm_params" => return listed(PARAMS, name) || listed(PRICES, name),
        "model_list[].model_info" => return listed(INFO, name) || listed(PRICES, name),
        "litellm_settings" => LITELLM,
        "router_settings" => ROUTER,
        "general_settings" => GENERAL,
        "general_settings.pass_through_endpoints[]" => PASS_THROUGH,
        "virtual_keys[]" => VIRTUAL_KEY,
        "general_settings.alerting_args" => ALERTING_ARGS,
        "litellm_settings.default_key_generate_params" => DEFAULT_KEY,
        "litellm_settings.default_internal_user_params" => DEFAULT_USER,
        "litellm_settings.default_team_params" => DEFAULT_TEAM,
        "general_settings.litellm_jwtauth" => JWT_AUTH,
        "general_settings.litellm_jwtauth.issuers[]" => JWT_ISSUER,
        "general_settings.litellm_jwtauth.scope_mappings[]" => "routes",
        _ => return false,
    };
    listed(known, name)
}

/// What an operator must know about a name without effect, where that is more than that it has none.
pub(in crate::config) fn note(name: &str) -> Option<&'static str> {
    NOTES.iter().find(|(noted, _)| *noted == name).map(|(_, note)| *note)
}

fn listed(names: &str, name: &str) -> bool {
    names.split_ascii_whitespace().any(|known| known == name)
}

const NOTES: &[(&str, &str)] = &[
    ("guardrails", "requests are not checked by guardrails"),
    ("allowed_ips", "addresses are not checked; allowed_ips of a virtual key is"),
    ("allowed_routes", "no route is closed by it"),
    ("alerting_threshold", "slow requests are not told of"),
    ("custom_validate", "claims are held against the rules that stand here, and no others"),
    ("permissions", "the key is not restricted by it"),
    ("duration", "say until when with `expires`"),
    ("max_parallel_requests", "max_parallel_requests of a virtual key or a deployment is"),
    ("deployment_affinity_ttl_seconds", "affinity is by hash: nothing is remembered that could run out"),
    ("cors_allow_credentials", "a browser's cookies and logins are never looked at"),
    ("cors_allow_headers", "pages that may call may send any header"),
    ("cors_allow_methods", "pages that may call may use any method"),
    ("forward_headers", "headers of the client's are passed on from a fixed list only"),
];

/// At the top.
const TOP: &str = "\
    agent_list assistant_settings callback_settings files_settings finetune_settings guardrails \
    mcp_servers mcp_tools policies policy_attachments prompts search_tools vector_store_registry";

/// In `general_settings`.
const GENERAL: &str = "\
    admin_only_routes admission_queue_timeout_seconds alert_to_webhook_url alerting_threshold \
    allow_cli_sso_verification_uri_complete allow_requests_on_db_unavailable \
    allow_unmanaged_response_ids allowed_file_extensions allowed_ips allowed_routes always_include_stream_usage \
    background_health_check_model_groups \
    blocked_file_extensions cancel_on_disconnect claude_code_gateway_managed_settings completion_model \
    control_plane_url coordination_redis cors_allow_credentials cors_allow_headers cors_allow_methods custom_auth_run_common_checks dangerously_permit_weak_or_unset_master_key \
    database_args database_connect_timeout database_connection_pool_limit database_connection_timeout \
    database_disable_prepared_statements database_extra_connection_params database_max_idle_connection_lifetime \
    database_socket_timeout database_type disable_auto_add_proxy_admin_to_teams \
    disable_budget_reservation disable_env_credential_login disable_error_logs \
    disable_password_login_when_sso_enabled disable_responses_id_security disable_spend_logs disable_spend_updates \
    embedding_model enable_claude_code_gateway enable_openai_websocket_passthrough \
    enable_public_model_hub encryption_algorithm enforce_fallback_model_access enforce_user_param enforced_params \
    failed_login_block_seconds failed_login_window_seconds \
    forward_client_headers_to_llm_api forward_openai_org_id global_max_parallel_requests health_check_concurrency \
    health_check_details health_check_skip_disabled_background_models image_generation_model \
    include_call_id_in_error_body infer_model_from_keys key_management_settings key_management_system \
    max_batch_file_records max_batch_file_size_mb max_batch_file_uploads_per_day \
    max_failed_login_attempts_per_source max_failed_login_attempts_per_source_overrides \
    max_file_downloads_per_minute max_file_size_mb max_in_flight_requests_per_worker max_parallel_requests \
    max_queued_requests_per_worker maximum_autorouter_session_retention_period \
    maximum_daily_tag_spend_retention_period maximum_health_check_retention_period \
    maximum_spend_logs_cleanup_batch_size maximum_spend_logs_cleanup_batch_timeout \
    maximum_spend_logs_cleanup_max_batches maximum_spend_logs_cleanup_run_budget \
    maximum_spend_logs_retention_interval mcp_advertised_versions \
    mcp_allowed_clients mcp_client_id_header mcp_internal_ip_ranges mcp_prefer_client_id_metadata_document \
    mcp_required_fields mcp_trusted_proxy_ranges mcp_xff_num_trusted_hops missing_session_id model_list_healthy_only \
    otel pass_through_request_timeout password_policy_min_length \
    password_policy_require_lowercase password_policy_require_numbers password_policy_require_special_characters \
    password_policy_require_uppercase plugins provider_url_destination_allowed_hosts proxy_batch_write_at \
    proxy_budget_rescheduler_max_time proxy_budget_rescheduler_min_time proxy_config_reload_interval_seconds \
    public_routes reject_clientside_metadata_tags responses_websocket_session_limit_seconds scheduled_job_stagger \
    search_tool_deny_by_default spend_capture_rate_check spend_logs_metadata_fields store_model_in_db \
    store_prompts_in_spend_logs supported_db_objects token_rate_limit_type transcribe_media_buckets \
    trusted_proxy_ranges ui_access_mode use_azure_key_vault use_google_kms use_redis_transaction_buffer \
    use_spend_logs_partitioning user_api_key_cache_max_size user_api_key_cache_ttl user_header_mappings \
    user_mcp_management_mode user_url_allowed_hosts user_url_validation \
    vector_store_deny_by_default";

/// In `pass_through_endpoints`.
const PASS_THROUGH: &str = "custom_body default_query_params description forward_headers guardrails id is_from_config \
    merge_query_params";

/// In `alerting_args`.
const ALERTING_ARGS: &str = "daily_report_frequency daily_spend_per_user_threshold log_to_console major_outage_alert_threshold \
    max_outage_alert_list_size minor_outage_alert_threshold monthly_spend_per_user_threshold outage_alert_ttl \
    region_outage_alert_ttl report_check_interval";

/// In `default_key_generate_params`.
const DEFAULT_KEY: &str =
    "allowed_cache_controls guardrails key_alias object_permission permissions policies soft_budget";

/// In `default_internal_user_params`.
const DEFAULT_USER: &str = "auto_create_key metadata send_invite_email sso_user_id user_alias user_email user_id";

/// In `default_team_params`.
const DEFAULT_TEAM: &str = "guardrails metadata object_permission organization_id";

/// In `litellm_jwtauth`.
const JWT_AUTH: &str = "agent_id_jwt_field auto_register_map_existing_key custom_validate fallback_to_db_teams \
    id_jag_requesting_apps jwt_client_id_field jwt_litellm_role_map mcp_client_id_jwt_field oidc_userinfo_cache_ttl \
    oidc_userinfo_enabled oidc_userinfo_endpoint org_alias_jwt_field public_allowed_routes routing_overrides \
    sync_user_role_and_teams team_claim_fallback team_id_upsert team_jwt_scope upsert_sso_user_to_team \
    virtual_key_mapping_cache_ttl";

/// In `litellm_jwtauth.issuers`.
const JWT_ISSUER: &str = "unregistered_jwt_client_behavior virtual_key_claim_field";

/// In `litellm_settings`.
const LITELLM: &str = "\
    aclient_session add_function_to_prompt add_user_information_to_llm_headers agent_search_embedding_model \
    aiohttp_trust_env allow_dynamic_callback_disabling anthropic_beta_headers_url \
    anthropic_prompt_caching_ttl anthropic_sse_ping_interval_seconds api_base api_version apply_search_free_tier \
    argilla_batch_size argilla_transformation_object audit_log_callbacks autorouter_presets_url \
    aws_sqs_callback_params banned_keywords_list bedrock_neutralize_orphaned_tool_blocks \
    bedrock_request_metadata_fields blocked_user_list blog_posts_url budget_exceeded_throttle_percentage \
    budget_rollover cache cache_params caching callback_settings client_session cold_storage_custom_logger \
    common_cloud_provider_auth_params \
    custom_prometheus_metadata_labels custom_prometheus_tags \
    custom_prompt_dict datadog_llm_observability_params datadog_params datadog_use_v1 \
    default_in_memory_ttl \
    default_key_max_budget_alert_emails default_max_internal_user_budget default_redis_batch_cache_expiry \
    default_redis_ttl default_soft_budget default_team_settings disable_add_prefix_to_prompt \
    disable_add_transform_inline_image_block disable_add_user_agent_to_request_tags disable_aiohttp_transport \
    disable_aiohttp_trust_env disable_anthropic_gemini_context_caching_transform disable_copilot_system_to_assistant \
    disable_end_user_cost_tracking disable_end_user_cost_tracking_prometheus_only disable_hf_tokenizer_download \
    disable_stop_sequence_limit disable_streaming_logging disable_token_counter \
    disable_vertex_batch_output_transformation dynamodb_table_name email enable_anthropic_prompt_caching \
    enable_azure_ad_token_refresh enable_caching_on_provider_specific_optional_params \
    enable_end_user_cost_tracking_prometheus_only enable_gemini_default_thinking_level_low \
    enable_json_schema_validation enable_key_alias_format_validation enable_loadbalancing_on_batch_endpoints \
    enable_model_config_credential_overrides enable_preview_features error_logs expose_router_debug_in_errors \
    extra_spend_tag_headers filter_invalid_headers force_redis_hash_tag_grouping \
    forward_traceparent_to_llm_provider gcs_pub_sub_use_v1 gdc_api_base gemini_live_defer_setup generic_api_use_v1 \
    generic_logger_headers global_bitbucket_config global_disable_no_log_param global_gitlab_config \
    google_moderation_confidence_threshold guardrail_name_config_map guardrails http2 \
    include_cost_in_streaming_usage initialized_langfuse_clients input_callback \
    json_logs key_alias_pattern key_generation_settings langfuse_default_tags langfuse_enable_update_trace_keys \
    langsmith_batch_size llamaguard_model_name llamaguard_unsafe_content_categories llm_guard_mode \
    log_auth_failure_key_identity log_client_error_tracebacks log_raw_request_response logged_real_time_event_types \
    logging longer_context_model_fallback_dict \
    max_tokens max_ui_session_budget max_user_budget mcp_servers mcp_tool_search \
    model_fallbacks model_group_settings models_by_provider modify_params network_mock newrelic_params \
    num_retries_per_request openai_moderations_model_name openai_system_messages_first otel_tenant_destination_mode \
    output_parse_pii overwrite_user_with_key_hash pointfive_params predibase_tenant_id presidio_ad_hoc_recognizers \
    priority_reservation prometheus_emit_input_sequence_length_label prometheus_emit_rate_limit_labels \
    prometheus_emit_stream_label prometheus_end_user_metrics_cleanup_interval_seconds \
    prometheus_end_user_metrics_max_series_per_metric prometheus_end_user_metrics_ttl_seconds \
    prometheus_exclude_labels prometheus_exclude_metrics prometheus_initialize_budget_metrics \
    prometheus_latency_buckets prometheus_metrics_cleanup_interval_seconds prometheus_metrics_config \
    prometheus_metrics_max_series_per_metric prometheus_metrics_ttl_seconds \
    prometheus_user_budget_label_include_email_alias prompt_name_config_map provider_url_destination_allowed_hosts \
    proxy_auth public_agent_groups public_mcp_hub_strict_whitelist public_mcp_servers public_model_groups \
    public_model_groups_links public_skills_index reasoning_auto_summary redact_messages_in_exceptions \
    redact_user_api_key_info request_correlation_in_logs require_managed_files return_response_headers \
    route_all_chat_openai_to_responses s3_audit_callback_params s3_callback_params safe_memory_mode \
    secret_manager_client service_callback service_callbacks set_verbose skill_search_embedding_model \
    skip_system_message_in_guardrail skip_tool_message_in_guardrail sse_keepalive_ping_interval_seconds \
    ssl_certificate ssl_ecdh_curve ssl_security_level standard_logging_payload_excluded_fields store_audit_logs \
    strip_anthropic_total_tokens suppress_debug_info telemetry token turn_off_message_logging \
    use_aiohttp_transport use_chat_completions_url_for_anthropic_messages use_client \
    use_litellm_proxy user_url_allowed_hosts user_url_validation validate_end_user_id_in_db \
    vector_store_index_registry vector_store_registry vector_store_search_failure_mode vertex_ai_safety_settings \
    vertex_location vertex_project zerobus_params";

/// In `router_settings`.
const ROUTER: &str = "\
    alerting_config assistants_config auto_router_capability_limit \
    background_health_check_model_groups cache_kwargs cache_responses caching_groups client_ttl \
    debug_level \
    default_litellm_params default_max_parallel_requests default_priority deployment_affinity_ttl_seconds \
    enable_health_check_routing \
    enable_weighted_failover fallback_access_check fallback_budget_check guardrail_list \
    health_check_ignore_transient_errors health_check_staleness_threshold plugins polling_interval \
    router_general_settings routing_groups \
    search_tools set_verbose tag_routing_prefix";

/// In `litellm_params`.
const PARAMS: &str = "\
    adaptive_router_config adaptive_router_default_model allow_client_keepalive_override \
    anthropic_disable_workload_identity_federation anthropic_federation_rule_id anthropic_federation_workspace_id \
    anthropic_identity_source anthropic_identity_token anthropic_identity_token_file anthropic_issuer_audience \
    anthropic_issuer_signing_key_ref anthropic_issuer_subject anthropic_issuer_ttl_seconds anthropic_issuer_url \
    anthropic_keycloak_auth_method anthropic_keycloak_client_id anthropic_keycloak_client_secret_ref \
    anthropic_keycloak_scope anthropic_keycloak_token_url anthropic_organization_id anthropic_service_account_id \
    auto_router_config auto_router_config_path auto_router_default_model auto_router_embedding_model \
    auto_router_max_input_chars auto_router_model_compression auto_router_routing_compression \
    aws_batch_role_arn aws_bedrock_project_id \
    aws_session_tags \
    azure_password azure_scope azure_username bedrock_tags bucket_name \
    cache_control_injection_points complexity_router_config \
    complexity_router_default_model configurable_clientside_auth_params default_api_key_rpm_limit \
    default_api_key_tpm_limit fireworks_forward_user_id gcs_bucket_name guardrails itpm keepalive_seconds \
    litellm_trace_id max_file_size_mb merge_reasoning_content_in_choices \
    milvus_db_name milvus_partition_names milvus_text_field model_info openai_identity_provider_id \
    openai_identity_token_file openai_service_account_id otpm provider_affinity_header quality_router_config \
    quality_router_default_model rust s3_access_key_id s3_bucket_name s3_bucket_owner \
    s3_encryption_key_id s3_endpoint_url s3_output_bucket_name s3_region_name s3_secret_access_key \
    stream_timeout_by_service_tier tag_regex timeout_by_service_tier use_chat_completions_api \
    use_in_pass_through use_litellm_proxy use_xai_oauth valkey_embedding_field valkey_host valkey_password \
    valkey_port valkey_ssl valkey_text_field vector_store_id \
    watsonx_region_name";

/// In `model_info`.
const INFO: &str = "\
    access_windows allow_fail_open allowed_fails allowed_fails_policy blocked cost_per_ptu_per_hour created_at \
    created_by db_model description discoverable enable_tag_filtering \
    internal_router_model litellm_provider member_auto_router ptu_count \
    ptu_effective_from ptu_effective_to supported_environments supports_assistant_prefill supports_audio_input \
    supports_audio_output supports_function_calling supports_native_streaming supports_parallel_function_calling \
    supports_pdf_input supports_prompt_caching supports_reasoning supports_response_schema supports_system_messages \
    supports_tool_choice supports_vision supports_web_search team_id team_public_model_name tier updated_at \
    updated_by";

/// In `/key/generate`.
const VIRTUAL_KEY: &str = "\
    access_group_ids agent_id allowed_cache_controls allowed_passthrough_routes allowed_routes \
    allowed_vector_store_indexes auto_rotate budget_id budget_limits config created_by disable_global_guardrails \
    duration enforced_params guardrails key_name key_type object_permission organization_id \
    policies project_id prompts rotation_interval router_settings rpm_limit_type send_invite_email \
    spend team_id tpm_limit_type user_id";

/// Prices of other units, in `litellm_params` and `model_info`.
const PRICES: &str = "\
    annotation_cost_per_page annotation_cost_per_page_batches cache_creation_input_audio_token_cost \
    cache_creation_input_token_cost_above_100k_tokens cache_creation_input_token_cost_above_100k_tokens_batches \
    cache_creation_input_token_cost_above_1hr_above_100k_tokens \
    cache_creation_input_token_cost_above_200k_tokens_batches \
    cache_creation_input_token_cost_above_272k_tokens_batches \
    cache_creation_input_token_cost_above_272k_tokens_ultrafast cache_creation_input_token_cost_batches \
    cache_creation_input_token_cost_ultrafast cache_read_input_token_cost_above_100k_tokens \
    cache_read_input_token_cost_above_100k_tokens_batches cache_read_input_token_cost_above_200k_tokens_batches \
    cache_read_input_token_cost_above_272k_tokens_batches cache_read_input_token_cost_above_272k_tokens_ultrafast \
    cache_read_input_token_cost_balanced cache_read_input_token_cost_batches cache_read_input_token_cost_ultrafast \
    citation_cost_per_token cost_per_second google_maps_grounding_cost_per_query input_cost_per_audio_per_second \
    input_cost_per_audio_per_second_above_128k_tokens input_cost_per_audio_token_batches input_cost_per_character \
    input_cost_per_character_above_128k_tokens input_cost_per_image input_cost_per_image_above_128k_tokens \
    input_cost_per_image_token_batches input_cost_per_pixel input_cost_per_query input_cost_per_second \
    input_cost_per_token_above_100k_tokens input_cost_per_token_above_100k_tokens_batches \
    input_cost_per_token_above_200k_tokens_batches input_cost_per_token_above_272k_tokens_batches \
    input_cost_per_token_above_272k_tokens_ultrafast input_cost_per_token_balanced input_cost_per_token_batches \
    input_cost_per_token_cache_hit input_cost_per_token_ultrafast input_cost_per_video_per_second \
    input_cost_per_video_per_second_above_128k_tokens input_cost_per_video_per_second_above_15s_interval \
    input_cost_per_video_per_second_above_8s_interval input_cost_per_video_token input_cost_per_video_token_batches \
    ocr_cost_per_credit ocr_cost_per_page ocr_cost_per_page_batches output_cost_per_audio_per_second \
    output_cost_per_character output_cost_per_character_above_128k_tokens output_cost_per_image \
    output_cost_per_image_1024 output_cost_per_image_1536 output_cost_per_image_512 \
    output_cost_per_image_token_batches output_cost_per_pixel output_cost_per_second output_cost_per_second_1080p \
    output_cost_per_second_2k output_cost_per_second_480p output_cost_per_second_4k output_cost_per_second_720p \
    output_cost_per_second_768p output_cost_per_token_above_100k_tokens \
    output_cost_per_token_above_100k_tokens_batches output_cost_per_token_above_200k_tokens_batches \
    output_cost_per_token_above_272k_tokens_batches output_cost_per_token_above_272k_tokens_ultrafast \
    output_cost_per_token_balanced output_cost_per_token_batches output_cost_per_token_ultrafast \
    output_cost_per_video_per_second output_cost_per_video_token output_vector_size \
    regional_endpoint_uplift_multiplier regional_processing_uplift_multiplier_eu \
    regional_processing_uplift_multiplier_us search_context_cost_per_query tiered_pricing";
