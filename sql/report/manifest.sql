INSERT INTO manifests VALUES ($stage, $place, $content::JSON);
